use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Command, String> {
    let words = shlex::split(&format!("orchestrate {line}")).unwrap();
    Arguments::try_parse_from(words).map(|arguments| arguments.command).map_err(|error| error.to_string())
}

fn help(command: Option<&str>) -> String {
    let mut root = Arguments::command();
    root.build();
    let wanted = match command {
        None => &mut root,
        Some(name) => root.find_subcommand_mut(name).unwrap(),
    };
    // Without wrapping to the terminal that the test happens to run in.
    let text = wanted.clone().term_width(100).render_help().to_string();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_arguments_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn the_commands_are_listed() {
    insta::assert_snapshot!(help(None), @r"
    Takes services from what runs now to what a plan says, and proves that the result works

    Usage: orchestrate [OPTIONS] <COMMAND>

    Commands:
      apply        Bring services to what the plan says, or put everything back
      preview      Show what apply would change, and why; changes nothing
      validate     Check a plan and its environment, and show every problem
      render       Print the plan as it is for an environment: included, overlaid, with all values
                   filled in
      graph        Show in which order services start, and the longest path
      schema       Print the JSON Schema of plans or environments, for editors
      status       Show what runs, beside what should [alias: ps]
      check        Run the checks of what runs, once, now
      logs         Print what services wrote
      stop         Stop services, and leave them stopped: status and preview say that it was meant
      start        Start services that were stopped, and what they depend on, each once its dependencies
                   are ready
      restart      Stop services and start them again, as they are
      kill         Send services a signal; KILL without one
      pause        Hold up what services do, without stopping them
      unpause      Let services go on that were paused
      scale        Have more or fewer instances of services until the next apply, by an ordinary
                   deployment
      exec         Run a command in a service's container, or beside its process, with a terminal where
                   there is one
      run          Run a command once in the surroundings of a service: its image, networks, volumes and
                   secrets
      cp           Copy files out of a service's container or into it, as cp does; `-` is a tar archive
      port         Print where a service's port is published on the host
      top          List the processes of services
      stats        Show what services use of processor, memory, network and disk, again and again
      images       List the images that services run
      pull         Pull the images of services; what runs stays as it is until the next apply
      output       Print what the plan gives out: all outputs, or one by its name
      forget       Let services go that the plan no longer names: they run on, and are not looked after
                   any more
      build        Build the images of services; what runs stays as it is until the next apply
      lock-images  Pin the plan's images to what registries have now, in orchestrate.lock beside the
                   plan
      secret       Show a secret that is asked for by its name
      ls           List the projects that were deployed from here
      watch        Follow a deployment that runs in another terminal to its end
      history      List the plan's deployments, newest first
      show         Show a deployment: what it did, step by step, and what is kept of what failed
      rollback     Go back to an earlier deployment: the one before the last, or any that succeeded
      recover      Bring a deployment to its end that was cut off: back, unless its commit point has
                   been passed
      abort        Take back the deployment that is under way or was cut off, and stop
      lock         Show whose a project's lock is, or give back one that was left behind
      snapshot     Save a project's data, list what is saved, and restore it
      destroy      Remove the plan's services and networks; volumes only where they are named
      state        Look after what is kept of deployments on this host
      import       Write Compose files as a plan that means the same, comments kept
      export       Write what runs on an engine as a plan: only what differs from the images' defaults
      init         Write a commented plan to start from; never overwrites one
      doctor       Look at engine, versions, sockets, state directory and disk, with a remedy for each
                   trouble
      completions  Print completions for a shell

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Output:
          --color <WHEN>  When to use colour; NO_COLOR and CLICOLOR_FORCE are honoured too [env:
                          ORCHESTRATE_COLOR] [default: auto] [possible values: auto, always, never]
      -v, --verbose       Tell more of what happens
      -q, --quiet         Tell only what goes wrong
    ");
}

#[test]
fn apply_explains_itself() {
    insta::assert_snapshot!(help(Some("apply")), @r"
    Bring services to what the plan says, or put everything back

    Usage: orchestrate apply [OPTIONS] [PLAN] [PLANS]...

    Arguments:
      [PLAN]      The plan or Compose file; without it plan.yaml, orchestrate.yaml or compose.yaml, here
                  or upwards [env: ORCHESTRATE_PLAN]
      [PLANS]...  Further plans: each after those that its `after` names, otherwise in this order

    Options:
      -e, --environment <ENVIRONMENT>      The environment: a file, or NAME for environments/NAME.yaml
                                           [env: ORCHESTRATE_ENVIRONMENT]
          --var <NAME=VALUE>               A variable's value, over all others; can be given several
                                           times
          --host <ADDRESS>                 The engine's address, as in DOCKER_HOST [env:
                                           ORCHESTRATE_HOST]
          --adopt                          Take over what Docker Compose made under the project's name,
                                           as it is
          --dry-run                        Show what would change, and change nothing
      -y, --yes                            Do not ask before services are replaced or removed
          --only <SERVICE>                 Only these services and what they depend on; several with
                                           commas
          --no-deps                        With --only: leave what they depend on alone
          --parallelism <N>                Runtime calls under way at most [env:
                                           ORCHESTRATE_PARALLELISM]
          --timeout <DURATION>             How long the deployment may take before it is rolled back,
                                           such as 10m; 1h by default [env: ORCHESTRATE_TIMEOUT]
          --no-rollback                    Leave everything as it is after a failure
          --keep-failed                    Keep the stopped bodies of instances that failed
          --no-snapshot                    Go on without saving data that is at stake
          --force-recreate[=<SERVICE>...]  Replace services that have not changed: all, or those named,
                                           as in --force-recreate=web,api
          --build                          Build the images of services that are built, also if they are
                                           there
          --pull <WHEN>                    When images are pulled, whatever the plan says [possible
                                           values: always, missing, never]
          --remove-orphans                 Remove services of the project that the plan no longer names
          --detailed-exitcode              With --dry-run: exit with 2 if something would change
      -m, --message <TEXT>                 Why, for the history
          --events <FILE>                  Write every event to a file as it happens, a line of JSON
                                           each
          --junit <FILE>                   Write how the plan's tests went to a file, as JUnit
          --simulate                       Run against a simulated runtime in virtual time; touches
                                           nothing
          --format <FORMAT>                How the result is written [env: ORCHESTRATE_FORMAT] [default:
                                           text] [possible values: text, json]
      -h, --help                           Print help (see more with '--help')

    Compose files:
      -f, --file <FILE>                    A Compose file, merged over those before it; can be given
                                           several times
      -p, --project-name <NAME>            What the project of Compose files is called
          --env-file <FILE>                A file of variables for Compose files, instead of .env; can
                                           be given several times
          --profile <NAME>                 A profile of Compose files that is active; can be given
                                           several times
          --project-directory <DIRECTORY>  Where relative paths in Compose files start, instead of the
                                           first one's directory

    Output:
          --color <WHEN>  When to use colour; NO_COLOR and CLICOLOR_FORCE are honoured too [env:
                          ORCHESTRATE_COLOR] [default: auto] [possible values: auto, always, never]
      -v, --verbose       Tell more of what happens
      -q, --quiet         Tell only what goes wrong
    ");
}

#[test]
fn flags_mean_what_they_say() {
    let line = "apply shop.yaml -e production --var a=1 --var b=x=y --only web,api --no-deps --timeout 1m30s \
                --force-recreate -ym 'new prices' --parallelism 3";
    let Ok(Command::Apply(apply)) = parse(line) else { panic!("{:?}", parse(line)) };
    assert_eq!(apply.plan.plan.unwrap().to_str(), Some("shop.yaml"));
    assert_eq!(apply.plan.inputs.environment.as_deref(), Some("production"));
    let vars: Vec<(&str, &str)> =
        apply.plan.inputs.vars.iter().map(|var| (var.name.as_str(), var.value.as_str())).collect();
    assert_eq!(vars, [("a", "1"), ("b", "x=y")]);
    assert_eq!(apply.only.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["web", "api"]);
    assert_eq!(apply.timeout, Some(std::time::Duration::from_secs(90)));
    assert_eq!(apply.force_recreate, Some(vec![]));
    assert_eq!((apply.yes, apply.message.as_deref(), apply.parallelism), (true, Some("new prices"), Some(3)));
}

#[test]
fn an_optional_list_does_not_swallow_the_plan() {
    for (line, services) in
        [("apply --force-recreate shop.yaml", vec![]), ("apply --force-recreate=web,api shop.yaml", vec!["web", "api"])]
    {
        let Ok(Command::Apply(apply)) = parse(line) else { panic!("{:?}", parse(line)) };
        let forced: Vec<String> = apply.force_recreate.unwrap().iter().map(|name| name.to_string()).collect();
        assert_eq!(
            (apply.plan.plan.unwrap().to_str(), forced),
            (Some("shop.yaml"), services.into_iter().map(String::from).collect())
        );
    }
}

#[test]
fn what_is_typed_by_hand_is_as_with_docker_compose() {
    let line = "run --rm -e A=1 -e B -v data:/data -p 8080:80 --plan shop.yaml --environment lab -u 7 -w /tmp -T web sh -c 'exit 3'";
    let Ok(Command::Run(run)) = parse(line) else { panic!("{:?}", parse(line)) };
    assert_eq!(
        (run.variables.join(" "), run.volumes.join(" "), run.publish.join(" ")),
        ("A=1 B".into(), "data:/data".into(), "8080:80".into())
    );
    assert_eq!(
        (run.which.plan.unwrap().to_str(), run.which.inputs.environment.as_deref()),
        (Some("shop.yaml"), Some("lab"))
    );
    assert_eq!((run.service.as_str(), run.command.join("|").as_str()), ("web", "sh|-c|exit 3"));
    let Ok(Command::Exec(exec)) = parse("exec -p shop.yaml -e A=1 --index 2 web ls -la -e") else { panic!() };
    assert_eq!((exec.index, exec.command.join(" ").as_str()), (Some(2), "ls -la -e"));
    let Ok(Command::Stop(stop)) = parse("stop -t 5 -e lab web db") else { panic!() };
    assert_eq!((stop.timeout, stop.services.len()), (Some(std::time::Duration::from_secs(5)), 2));
    let Ok(Command::Cp(cp)) = parse("cp - web:/tmp") else { panic!() };
    assert_eq!((cp.source.as_str(), cp.destination.as_str()), ("-", "web:/tmp"));
    assert!(matches!(parse("ps"), Ok(Command::Status(_))));
}

#[test]
fn mistakes_are_told() {
    let table = [
        ("apply --var a", "write it as NAME=VALUE"),
        ("apply --timeout soon", "`soon` is not a duration: write it as in `1m30s`, `500ms` or `2h`"),
        ("apply --only web/..", "`web/..` is not a service name"),
        ("apply --no-deps", "--only <SERVICE>"),
        ("apply --parallelism 0", "a number from 1 to 1000"),
        ("show nonsense!", "`nonsense!` is not a deployment id"),
        ("apply -v -q", "cannot be used with"),
        ("aply", "'apply'"),
        ("apply a.yaml b.yaml --only web", "'[PLANS]...' cannot be used with '--only <SERVICE>'"),
        ("preview a.yaml b.yaml -f c.yaml", "cannot be used with"),
        ("destroy a.yaml b.yaml --volumes data", "cannot be used with"),
        ("status a.yaml b.yaml", "unexpected argument 'b.yaml' found"),
        ("logs --since yesterday", "`yesterday` is not a duration"),
    ];
    for (line, told) in table {
        let error = parse(line).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn since_is_a_time_or_how_long_ago() {
    use crate::time::Timestamp;

    let now = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    for (line, moment) in [
        ("logs --since 10m", "2026-11-20T09:50:00.000Z"),
        ("logs --since 2026-11-19T01:02:03Z", "2026-11-19T01:02:03.000Z"),
    ] {
        let Ok(Command::Logs(logs)) = parse(line) else { panic!("{:?}", parse(line)) };
        assert_eq!(logs.since.unwrap().moment(now).to_string(), moment);
    }
}
