interpreter() { # VERSION: prints the Python of that version, if this machine has one that starts
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if "$candidate" -c "" 2>/dev/null; then echo "$candidate" && return; fi
  done
}
