# A context of Bash: takes pieces of code from the service, one after the other, and keeps what they define.
# Both ways texts end with a zero byte: how many variables, each as NAME=value, the code; then the five fields of RESULT.
exec 251<&3 252>&3 3>&-
unset WARREN_LANGUAGE
BASH_ARGV0=bash
__warren_state=idle
# Out of every loop, the code's and then this one. A loop inside a function does not hear it: the service ends such a shell.
trap 'if [ "$__warren_state" = busy ]; then __warren_state=stopped; continue 1000 2>/dev/null; fi' INT
while :; do
  if [ "$__warren_state" = stopped ]; then
    __warren_state=idle
    __warren_status=interrupted
  else
    __warren_before=()
    IFS= read -r -d '' -u 251 __warren_count || exit 0
    for ((__warren_at = 0; __warren_at < __warren_count; __warren_at++)); do
      IFS= read -r -d '' -u 251 __warren_entry || exit 0
      __warren_name=${__warren_entry%%=*}
      if [ -v "$__warren_name" ]; then
        __warren_before+=("$__warren_name=${!__warren_name}")
      else
        __warren_before+=("$__warren_name")
      fi
      export "$__warren_entry"
    done
    IFS= read -r -d '' -u 251 __warren_code || exit 0
    __warren_state=busy
    eval "$__warren_code"
    __warren_status=$?
    [ "$__warren_state" = stopped ] && __warren_status=interrupted
  fi
  __warren_state=idle
  for __warren_entry in "${__warren_before[@]}"; do
    case $__warren_entry in
      *=*) export "$__warren_entry" ;;
      *) unset "$__warren_entry" ;;
    esac
  done
  case $__warren_status in
    0) printf 'completed\0\0\0\0\0' >&252 ;;
    interrupted) printf 'raised\0\0KeyboardInterrupt\0\0interrupted\n\0' >&252 ;;
    *) printf 'raised\0\0ExitStatus\0%s\0exit status %s\n\0' "$__warren_status" "$__warren_status" >&252 ;;
  esac
done
