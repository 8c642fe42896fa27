/** A script for each shell, which asks the command itself: what it completes is what this very version knows. */
export const shellScripts = {
  bash: `# Completion of ottla in bash. Try it with:  source <(ottla completion bash)
# For good:  ottla completion bash > ~/.local/share/bash-completion/completions/ottla
_ottla() {
  local words=() rest word current kind line value i
  # bash splits words at = and :, too; those belong together between which the line has no space
  rest=\${COMP_LINE#"\${COMP_WORDS[0]}"}
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ \${#words[@]} -eq 0 || $rest == [[:space:]]* ]]; then
      rest=\${rest#"\${rest%%[![:space:]]*}"}
      words+=("$word")
    else
      words[\${#words[@]}-1]+=$word
    fi
    rest=\${rest#"$word"}
  done
  word=\${words[\${#words[@]}-1]}
  # what bash replaces is behind the last = or :
  current=\${COMP_WORDS[COMP_CWORD]}
  [[ $current == [=:]* ]] && current=\${current#[=:]}
  local before=\${word%"$current"}
  for i in "\${!words[@]}"; do words[i]=\${words[i]//[\\"\\'\\\\]/}; done
  COMPREPLY=()
  {
    IFS= read -r kind
    while IFS= read -r line; do
      value=\${line%%$'\\t'*}
      printf -v value %q "\${value#"$before"}"
      COMPREPLY+=("$value")
    done
  } < <("\${COMP_WORDS[0]/#\\~/$HOME}" complete -- "\${words[@]}" 2>/dev/null)
  case $kind in
    open) compopt -o nospace 2>/dev/null ;;
    files) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current") ;;
    directories) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current") ;;
  esac
}
complete -F _ottla ottla
`,
  zsh: `#compdef ottla
# Completion of ottla in zsh. Try it with:  source <(ottla completion zsh)
# For good: in a folder of $fpath, as _ottla:  ottla completion zsh > "\${fpath[1]}/_ottla"
_ottla() {
  local -a lines described options
  local line value kind
  lines=("\${(@f)$("\${(Q)words[1]/#\\~/$HOME}" complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  kind=$lines[1]
  case $kind in
    files) _files; return ;;
    directories) _files -/; return ;;
    open) options=(-S '') ;;
  esac
  for line in "\${(@)lines[2,-1]}"; do
    value=\${line%%$'\\t'*}
    if [[ $line == *$'\\t'* ]]; then
      described+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
    else
      described+=("\${value//:/\\\\:}")
    fi
  done
  _describe ottla described $options
}
if [[ "\${funcstack[1]}" = _ottla ]]; then
  _ottla "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _ottla ottla
fi
`,
  fish: `# Completion of ottla in fish. Try it with:  ottla completion fish | source
# For good:  ottla completion fish > ~/.config/fish/completions/ottla.fish
function __ottla_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l lines ($program complete -- $words[2..-1] $current 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path $current
        case directories
            __fish_complete_directories $current
        case '*'
            # fish sets no space behind a candidate that ends with =
            string join \\n -- $lines[2..-1]
    end
end
complete -c ottla -e
complete -c ottla -f -a '(__ottla_complete)'
`,
} as const;

export type Shell = keyof typeof shellScripts;
export const shells = Object.keys(shellScripts) as readonly Shell[];
