#!/usr/bin/env bash
# The rows of the benchmark hornpipe-nottingham-1: held-out loss, and scores of 200 tunes beside the held-out ones. All tunes are drawn from
# what the model says, at temperature 1, as the n-gram model's are.
#
#     benches/nottingham-1.sh NOTTINGHAM.abc OUT [ROW…]
#
# Rows: best (this project's model), plain (the default preset), transpose (the same with --augment transpose), article (the article's recipe),
# ngram (Kneser-Ney). A network may train for ten minutes on two cores; MINUTES, THREADS and HORNPIPE (the program) can be set. Flags of the row
# `best` are in BEST.
set -euo pipefail

file="${1:?the Nottingham file}"
out="${2:?a folder}"
shift 2
hornpipe="${HORNPIPE:-hornpipe}"
minutes="${MINUTES:-10}"
threads="${THREADS:-2}"
best="${BEST:---augment transpose --layers 2 --hidden 384 --dropout 0.3 --weight-drop 0.1 --epochs 12}"
[ $# -gt 0 ] || set -- best plain transpose article ngram

mkdir -p "$out"
"$hornpipe" corpus split "$file" --benchmark hornpipe-nottingham-1 --out "$out/split"

judged() {
    "$hornpipe" judge "$out/$1.abc" "$file" --html "$out/$1.html" | tee "$out/$1.txt"
}

# A network with these flags: trained, measured at its last step, and judged.
network() {
    local row="$1"
    shift
    echo "=== $row: $*"
    rm -rf "${out:?}/$row"
    "$hornpipe" train "$file" --out "$out/$row" --threads "$threads" --max-minutes "$minutes" --json "$@" >"$out/$row.json"
    # The last step's weights: none were chosen by the held-out tunes.
    "$hornpipe" evaluate "$out/$row/last.hornpipe" "$file" --threads "$threads"
    "$hornpipe" generate "$out/$row/last.hornpipe" --tunes 200 --temperature 1 --seed 1 --threads "$threads" -o "$out/$row.abc"
    judged "$row"
}

for row in "$@"; do
    case "$row" in
        # Flags are words.
        # shellcheck disable=SC2086
        best) network best $best ;;
        plain) network plain ;;
        transpose) network transpose --augment transpose ;;
        article) network article --preset article --validation-fraction 0.1 ;;
        ngram)
            echo "=== ngram"
            "$hornpipe" corpus ngram "$file" --tunes 200 -o "$out/ngram.abc"
            judged ngram
            ;;
        *)
            echo "no row is called $row; there are best, plain, transpose, article and ngram" >&2
            exit 1
            ;;
    esac
done
