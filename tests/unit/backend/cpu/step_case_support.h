// SPDX-License-Identifier: Apache-2.0
// A graph built for the CPU, once for each instruction set, and run beside the interpreter.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace planish::test {

enum class Values {
  kNormal,   // about -3 to 3; integers of 8 bits over their whole range, others 0, 1 and 2
  kSpecial,  // NaN, infinities and -0 among them
};

struct StepCase {
  std::string name;   // of the test: letters, digits and _
  std::string graph;  // in text form; its name and the braces may be left out
  // The kernels of the steps, in order: a tail that is not fused is one more. Transposes, which
  // stand at the edges of images, are left out unless they are named; "ref" is the portable kernel.
  std::vector<std::string> kernels;
  // Shapes of the inputs, for each run; empty: one run with the declared ones.
  std::vector<std::vector<Dims>> runs = {};
  Values values = Values::kNormal;
  // What few elements of an 8-bit output may differ by: sums that are scaled in another order fall
  // to the other side of a middle.
  int apart = 0;
  std::string disable_tactic = "onednn";  // the option; the cases are about our own kernels
  bool best_isa_only = false;
};

inline std::ostream& operator<<(std::ostream& out, const StepCase& c) { return out << c.name; }

inline std::string step_case_name(const ::testing::TestParamInfo<StepCase>& info) {
  return info.param.name;
}

// "const %name = type[dims] {...}": numbers about -1 to 1, or integers from `low` to `high`.
std::string random_constant(const std::string& name, DType type, const Dims& dims, int low = -8,
                            int high = 8);

// A transposed convolution of x, with strides, whose tail has an operand %r of y's size.
std::string deconv_graph(const std::string& tail);

// Builds the graph for every instruction set of this machine, writes and reads the plan, runs it
// with one and with three threads, twice each, and compares with the interpreter on the graph as it
// was written: within the largest tolerance of its ops, bit for bit for integers.
void check_steps(const StepCase& c);

}  // namespace planish::test
