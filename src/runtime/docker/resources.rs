//! What a container may use of its host, in the engine's words.

use bollard::models::{
    DeviceMapping, DeviceRequest as EngineRequest, HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum,
    ResourcesBlkioWeightDevice, ThrottleDevice,
};

use super::settings::{list, signed};
use crate::plan::{
    ByteSize, Device, DeviceCount, DeviceRate, DeviceRequest, DeviceWeight, Micros, Service, SwapLimit, Whole,
};

/// Adds processors, memory, devices and the like to what is known already.
pub(super) fn fill(service: &Service, known: HostConfig) -> HostConfig {
    let whole = |number: Option<Whole>| number.map(|Whole(number)| number);
    let micros = |number: Option<Micros>| number.map(|Micros(number)| number);
    let blkio = &service.blkio_config;
    let (by_name, mapped): (Vec<&Device>, Vec<&Device>) =
        service.devices.iter().partition(|device| is_described(device));
    let requests = service.gpus.iter().chain(&service.deploy.resources.reservations.devices).map(request);
    let requests: Vec<EngineRequest> = requests.chain(by_name.into_iter().map(described)).collect();
    HostConfig {
        cpu_shares: whole(service.cpu_shares),
        cpu_period: micros(service.cpu_period),
        cpu_quota: micros(service.cpu_quota),
        cpu_realtime_period: micros(service.cpu_rt_period),
        cpu_realtime_runtime: micros(service.cpu_rt_runtime),
        cpuset_cpus: service.cpuset.clone(),
        cpu_count: whole(service.cpu_count),
        cpu_percent: whole(service.cpu_percent),
        memory_swap: service.memswap_limit.map(|SwapLimit(bytes)| bytes),
        memory_swappiness: whole(service.mem_swappiness),
        oom_kill_disable: service.oom_kill_disable.then_some(true),
        oom_score_adj: whole(service.oom_score_adj),
        cgroup_parent: service.cgroup_parent.clone(),
        cgroupns_mode: service.cgroup.as_ref().and_then(|mode| mode.parse::<HostConfigCgroupnsModeEnum>().ok()),
        isolation: service.isolation.as_ref().and_then(|mode| mode.parse::<HostConfigIsolationEnum>().ok()),
        blkio_weight: blkio.weight.and_then(|Whole(weight)| weight.try_into().ok()),
        blkio_weight_device: some(blkio.weight_device.iter().map(weight)),
        blkio_device_read_bps: some(blkio.device_read_bps.iter().map(rate)),
        blkio_device_write_bps: some(blkio.device_write_bps.iter().map(rate)),
        blkio_device_read_iops: some(blkio.device_read_iops.iter().map(rate)),
        blkio_device_write_iops: some(blkio.device_write_iops.iter().map(rate)),
        devices: some(mapped.into_iter().map(device)),
        device_cgroup_rules: list(service.device_cgroup_rules.clone()),
        device_requests: (!requests.is_empty()).then_some(requests),
        ..known
    }
}

fn some<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}

fn weight(DeviceWeight { path, weight }: &DeviceWeight) -> ResourcesBlkioWeightDevice {
    ResourcesBlkioWeightDevice { path: Some(path.clone()), weight: weight.0.try_into().ok() }
}

fn rate(DeviceRate { path, rate: ByteSize(rate) }: &DeviceRate) -> ThrottleDevice {
    ThrottleDevice { path: Some(path.clone()), rate: Some(signed(*rate)) }
}

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.source.clone()),
        path_in_container: Some(device.target.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

/// A device that its vendor describes: `vendor/class=name`.
fn is_described(device: &Device) -> bool {
    !device.source.starts_with('/') && device.source.contains('=')
}

fn described(device: &Device) -> EngineRequest {
    let device_ids = Some(vec![device.source.clone()]);
    EngineRequest { driver: Some("cdi".to_owned()), device_ids, ..Default::default() }
}

fn request(request: &DeviceRequest) -> EngineRequest {
    EngineRequest {
        driver: request.driver.clone(),
        count: request.count.map(|DeviceCount(count)| count),
        device_ids: list(request.device_ids.clone()),
        capabilities: Some(vec![request.capabilities.clone()]),
        options: (!request.options.is_empty()).then(|| request.options.clone().into_iter().collect()),
    }
}
