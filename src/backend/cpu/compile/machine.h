// SPDX-License-Identifier: Apache-2.0
// The processor as the tuner knows it.
#pragma once

#include <string>

#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

// Of one core, about: the cost model's only use of it is to tell heavy problems from light ones.
double multiplications_per_second(Isa isa);
inline constexpr double kBytesPerSecond = 10e9;
inline constexpr double kStepSeconds = 1e-6;  // whatever a step computes

// What measured times depend on besides the problem: the processor's name, instruction set,
// threads, and the very build of the kernels.
std::string machine_identity(Isa isa, int threads);
// What those of oneDNN's tactics depend on besides: its version and the build of our library that
// calls it. Opens both.
std::string onednn_identity();

}  // namespace planish::cpu
