# What the tests need besides the program itself, part by part, and what the caller chose to do without: SKIP="kafka browser".
# Sourced by the other scripts; runs nothing. A part that is missing is a failure unless SKIP names it.
# shellcheck shell=bash

parts_of_guests=(c python javascript)
parts_of_tests=(kafka browser prometheus s3)
# These need no set-up: an encrypted listener (a broker of the caller's may have none), a broker that tests may kill, the
# right to mount small disks, the database of known vulnerabilities.
parts_of_machines=(sasl own-broker disks advisories)

skips() { # part
  case " ${SKIP//,/ } " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# Ends the script where SKIP names something that is no part: a word misspelt would skip nothing, or be thought to.
check_skip() {
  local word known=("${parts_of_guests[@]}" "${parts_of_tests[@]}" "${parts_of_machines[@]}")
  SKIP=${SKIP:-}
  for word in ${SKIP//,/ }; do
    case " ${known[*]} " in
      *" $word "*) ;;
      *) echo "SKIP names '$word', which is no part; there are: ${known[*]}" >&2; exit 2 ;;
    esac
  done
  export SKIP
}

# Prints those of the parts given that SKIP does not name.
wanted() {
  local part
  for part in "$@"; do skips "$part" || echo "$part"; done
}

say_skipped() {
  [ -n "${SKIP//[ ,]/}" ] || return 0
  echo
  echo "######## SKIPPED by SKIP: ${SKIP//,/ } (their tests are counted as skipped) ########"
  echo
}
