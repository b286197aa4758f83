use serde::{Deserialize, Serialize};

use super::{ByteSize, Whole, is_default};

/// How a container shares block devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Blkio {
    /// Its weight against others, from 10 to 1000.
    #[serde(skip_serializing_if = "is_default")]
    pub weight: Option<Whole>,
    #[serde(skip_serializing_if = "is_default")]
    pub weight_device: Vec<DeviceWeight>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "is_default")]
    pub device_read_bps: Vec<DeviceRate>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "is_default")]
    pub device_write_bps: Vec<DeviceRate>,
    /// Operations a second.
    #[serde(skip_serializing_if = "is_default")]
    pub device_read_iops: Vec<DeviceRate>,
    /// Operations a second.
    #[serde(skip_serializing_if = "is_default")]
    pub device_write_iops: Vec<DeviceRate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceWeight {
    pub path: String,
    pub weight: Whole,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceRate {
    pub path: String,
    pub rate: ByteSize,
}
