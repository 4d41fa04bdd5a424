#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD_FOLDER: installs, moves the installation, builds programs against it with CMake and with
# pkg-config, runs them, and checks that the installation does not remember the build folder.
set -euo pipefail
build=$(realpath "$1")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved"
prefix=$work/moved

cmake -S "$here" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
cmake --build "$work/consumer" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/consumer/compile" "$work/double.plan"
"$work/consumer/serve" "$work/double.plan"
if readelf -dW "$work/consumer/serve" | grep -F 'libplanish.so'; then
  echo "a program of planish::runtime needs the compiler"
  exit 1
fi

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs planish)"
g++ -std=c++20 "$here/compile.cc" -o "$work/by_pkg_config" "${flags[@]}" "-Wl,-rpath,$prefix/lib"
"$work/by_pkg_config" "$work/double.plan"

if [ -x "$prefix/bin/planish" ]; then
  (cd / && env -u LD_LIBRARY_PATH "$prefix/bin/planish" --help >/dev/null)
fi
for file in "$prefix"/lib/*.so "$prefix"/bin/*; do
  [ -f "$file" ] || continue
  if readelf -dW "$file" | grep -E 'R(UN)?PATH' | grep -F "$build"; then
    echo "$file has an rpath into the build folder"
    exit 1
  fi
done
if grep -rlF "$build" "$prefix"; then
  echo "the files above name the build folder"
  exit 1
fi
