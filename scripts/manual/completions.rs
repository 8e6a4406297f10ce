//! Completions: clap's, and behind PROGRAM the program's own.

use clap_complete::{Shell, generate};

/// Where each shell looks below `/usr/share`, and what it finds there.
pub(super) fn all() -> [(&'static str, String); 3] {
    let bash = script(Shell::Bash) + &BASH.replace("OPTIONS", &options_with_value().join("|"));
    let fish = script(Shell::Fish) + &FISH.replace("OPTIONS", &options_with_value().join(" "));
    [
        ("bash-completion/completions/heimdall", bash),
        ("zsh/site-functions/_heimdall", script(Shell::Zsh)),
        ("fish/vendor_completions.d/heimdall.fish", fish),
    ]
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut heimdall::cli::command(), "heimdall", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Behind these, a word of its own is no PROGRAM yet.
fn options_with_value() -> Vec<String> {
    let mut command = heimdall::cli::command();
    command.build();
    let mut found = Vec::new();
    for option in command.get_opts() {
        if option.get_num_args().is_some_and(|values| values.min_values() > 0) {
            found.extend(option.get_short().map(|name| format!("-{name}")));
            found.extend(option.get_long().map(|name| format!("--{name}")));
        }
    }
    found
}

/// clap's function for bash knows nothing of programs; the package bash-completion does. To bash, `=` is a word.
const BASH: &str = r#"
_heimdall_or_program() {
    local index=1
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
            --)
                ((index++))
                break
                ;;
            =)
                ((index += 2))
                ;;
            OPTIONS)
                [[ ${COMP_WORDS[index + 1]} != = ]] || ((index++))
                ((index += 2))
                ;;
            -*)
                ((index++))
                ;;
            *)
                break
                ;;
        esac
    done
    if ((index > COMP_CWORD)) || [[ ${COMP_WORDS[index]} == [-=]* && ${COMP_WORDS[index - 1]} != -- ]]; then
        _heimdall "$@"
    elif declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$index"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$index"
    elif ((index == COMP_CWORD)); then
        COMPREPLY=($(compgen -c -- "$2"))
    fi
}
complete -o bashdefault -o default -F _heimdall_or_program heimdall
"#;

/// clap's commands for fish say nothing about programs.
const FISH: &str = "complete -c heimdall -x -a '(__fish_complete_subcommand -- OPTIONS)'\n";
