#!/bin/sh
# Fills web/dist with the browser files of others that the binary embeds.
# Everything comes from npm by package-lock.json and is copied as it is; our own
# CSS and scripts stay in web/src and are embedded from there.
set -eu
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

from=node_modules
next=dist.next
rm -rf "$next"
mkdir -p "$next/fonts"
cp "$from/@kern-ux/native/dist/kern.min.css" "$next/"
# htmx and its SSE extension are one file: htmx starts by a timer once the page is
# parsed, and as two deferred scripts the second sometimes lost that race, so that
# a page never opened its live line. The extension alone stays loadable; a second
# registration does nothing.
{
	cat "$from/htmx.org/dist/htmx.min.js"
	printf '\n;'
	cat "$from/htmx.org/dist/ext/hx-sse.min.js"
} >"$next/htmx.min.js"
cp "$from/htmx.org/dist/ext/hx-sse.min.js" "$next/"
# uPlot's small build defines a variable; with one line more it is a module, which
# chart.js can import when a page has a chart and every other page does without.
{
	cat "$from/uplot/dist/uPlot.iife.min.js"
	printf '\nexport default uPlot;\n'
} >"$next/uPlot.js"
cp "$from/uplot/dist/uPlot.min.css" "$next/"

# KERN ships 32 cuts of Fira Sans (SIL OFL 1.1, licences/OFL-Fira-Sans.txt); the
# console uses two. The files are copied unchanged, since the name is reserved.
for cut in Regular SemiBold; do
	cp "$from/@kern-ux/native/dist/fonts/fira-sans/FiraSans-$cut.woff2" "$next/fonts/"
done
cp licences/OFL-Fira-Sans.txt "$next/fonts/OFL.txt"
cat >"$next/fonts.css" <<'CSS'
/* Written by web/build.sh. Text shows at once in the system's font and swaps. */
@font-face{font-family:"Fira Sans";font-weight:400;font-style:normal;font-display:swap;src:url(fonts/FiraSans-Regular.woff2) format("woff2")}
@font-face{font-family:"Fira Sans";font-weight:600;font-style:normal;font-display:swap;src:url(fonts/FiraSans-SemiBold.woff2) format("woff2")}
CSS
chmod -R u=rwX,go=rX "$next"

# Replace file by file, so that a build that runs meanwhile never sees dist empty.
touch "$next/.keep"
mkdir -p dist/fonts
(cd "$next" && find . -type f) | while read -r file; do mv "$next/$file" "dist/$file"; done
rm -rf "$next"
