// SPDX-License-Identifier: Apache-2.0
// Graphs in text form, built for a GPU and run on the emulated one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "support/emulated_gpu.h"

namespace planish::test {

// At level 0 unless it `tunes`: running every rival on the emulator takes long.
plan::Plan build_for_gpu(const std::string& text, const cuda::EmulatedGpu& gpu,
                         Options options = {}, bool tunes = false);

// Empty if the engine's outputs are the interpreter's, within `tolerance` of the largest; each set
// of inputs runs four times, on poisoned memory, so that recordings are replayed.
struct GpuCase {
  std::string text;
  std::vector<std::vector<Datum>> runs;
  Options options = {};
  double tolerance = 1e-5;
  int host_steps = 0;        // that the plan may leave to the host
  int major = 9, minor = 0;  // of the chip
  bool tunes = false;
};
std::string check_on_gpu(const GpuCase& c);

// The message of what building the graph and running it once throws, which the reference throws
// too; empty if one of them runs.
std::string error_on_gpu(const std::string& text, const std::vector<Datum>& inputs);

Options with_precision(const std::string& precision);

// Floats between -1 and 1, whole numbers from -9 to 9; the same for the same seed.
Datum noise(DType type, Dims dims, unsigned seed = 1);
// Whole numbers from `least` to `greatest`.
Datum picks(DType type, Dims dims, int64_t least, int64_t greatest, unsigned seed = 1);

}  // namespace planish::test
