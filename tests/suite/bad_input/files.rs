use std::os::unix::fs::symlink;

use super::refusal;
use crate::scene::{Scene, assert_text};

#[test]
fn bytes_that_are_no_text() {
    let scene = Scene::empty();
    scene.write("plan.yaml", b"apiVersion: orchestrate/v1\nname: \xff\xfe\n");
    let text = "\
exit 65
error[not-utf8]: `plan.yaml` cannot be read: it is not UTF-8: byte 0xff of line 2 is no text
   ╭─[plan.yaml:2:7]
 1 │ apiVersion: orchestrate/v1
 2 │ name: ��
   ·       ┬
   ·       ╰── no text
   ╰────
  hint: save it as UTF-8; from Latin-1, `iconv -f ISO-8859-1 -t UTF-8` does

1 error
";
    assert_text(&refusal(&scene, "apply"), text);
}

#[test]
fn no_plan_a_missing_one_and_a_directory() {
    let scene = Scene::empty();
    let none = "\
exit 1
error: there is no plan here: no `plan.yaml`, `orchestrate.yaml` or `compose.yaml`, here or upwards
  hint: name one, or write a first one with `orchestrate init`
";
    assert_text(&refusal(&scene, "apply"), none);
    let missing = "exit 65\nerror[file-not-found]: `nope.yaml` cannot be read: there is no such file\n\n1 error\n";
    assert_text(&refusal(&scene, "apply nope.yaml"), missing);
    let directory = "exit 65\nerror[file-unreadable]: `.` cannot be read: it is not a regular file\n\n1 error\n";
    assert_text(&refusal(&scene, "apply ."), directory);
}

#[test]
fn paths_that_lead_outside_are_refused_through_links_too() {
    let scene = Scene::new(
        r#"
include: [../other.yaml]
services:
  web:
    command: [sleep, "{{ file('../other.yaml') }}", "{{ file('link.env') }}"]
    env_file: [link.env, away/other.yaml, absent.env]
"#,
    );
    scene.write("../other.yaml", "services: {}\n");
    symlink("../other.yaml", scene.path("link.env")).unwrap();
    symlink("..", scene.path("away")).unwrap();
    let hint = "put a copy of it beside the plan; links that lead outside are not followed either";
    let text = format!(
        r#"exit 65
error[outside-repository]: `$TMP/other.yaml` cannot be read: it is outside of the repository `$TMP/work`
   ╭─[plan.yaml:5:11]
 4 │ 
 5 │ include: [../other.yaml]
   ·           ──────┬──────
   ·                 ╰── named here
 6 │ services:
   ╰────
  hint: {hint}

error[file-unreadable]: `services.web.command[1]`: `$TMP/other.yaml` cannot be read: it is outside of the repository `$TMP/work`
   ╭─[plan.yaml:8:26]
 7 │   web:
 8 │     command: [sleep, "{{{{ file('../other.yaml') }}}}", "{{{{ file('link.env') }}}}"]
   ·                          ──────────┬──────────
   ·                                    ╰── in this template
 9 │     env_file: [link.env, away/other.yaml, absent.env]
   ╰────

error[file-unreadable]: `services.web.command[2]`: `link.env` cannot be read: it is outside of the repository `$TMP/work`
   ╭─[plan.yaml:8:57]
 7 │   web:
 8 │     command: [sleep, "{{{{ file('../other.yaml') }}}}", "{{{{ file('link.env') }}}}"]
   ·                                                         ────────┬───────
   ·                                                                 ╰── in this template
 9 │     env_file: [link.env, away/other.yaml, absent.env]
   ╰────

error[outside-repository]: `link.env` cannot be read: it is outside of the repository `$TMP/work`
   ╭─[plan.yaml:9:16]
 8 │     command: [sleep, "{{{{ file('../other.yaml') }}}}", "{{{{ file('link.env') }}}}"]
 9 │     env_file: [link.env, away/other.yaml, absent.env]
   ·                ────┬───
   ·                    ╰── named here
   ╰────
  hint: {hint}

error[outside-repository]: `away/other.yaml` cannot be read: it is outside of the repository `$TMP/work`
   ╭─[plan.yaml:9:26]
 8 │     command: [sleep, "{{{{ file('../other.yaml') }}}}", "{{{{ file('link.env') }}}}"]
 9 │     env_file: [link.env, away/other.yaml, absent.env]
   ·                          ───────┬───────
   ·                                 ╰── named here
   ╰────
  hint: {hint}

error[file-not-found]: `absent.env` cannot be read: there is no such file
   ╭─[plan.yaml:9:43]
 8 │     command: [sleep, "{{{{ file('../other.yaml') }}}}", "{{{{ file('link.env') }}}}"]
 9 │     env_file: [link.env, away/other.yaml, absent.env]
   ·                                           ─────┬────
   ·                                                ╰── named here
   ╰────

6 errors
"#
    );
    assert_text(&refusal(&scene, "apply"), &text);
}
