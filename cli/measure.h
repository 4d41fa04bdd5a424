// SPDX-License-Identifier: Apache-2.0
// Times of an engine's steps.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "inputs.h"
#include "planish/planish.h"

namespace planish::cli {

struct StepTime {
  int program = 0, step = 0;
  std::string node, op, kernel;
  double start = 0;    // seconds since the run began; of the first call
  double seconds = 0;  // of all calls in one run, with the programs that the step ran
  int calls = 1;       // in one run: steps inside loops have several
};

// Runs once and calls `look` after each step; inside, step_output() gives what the step made.
void for_each_step(Context& context, const Values& inputs,
                   const std::function<void(const StepTime&)>& look);
// Output k of the step, none if nobody uses it.
Value step_output(const Context& context, size_t k);

// Every step of one run in the order of their ends.
std::vector<StepTime> trace_run(Context& context, const Values& inputs);

struct StepTimes {
  int runs = 0;
  std::vector<StepTime> steps;  // by program and step; medians over the runs
  double total = 0;             // of the network's own steps
};
// Runs until `runs` are done or `seconds` are over, after one run that is not counted.
StepTimes measure_steps(Context& context, const Values& inputs, int runs, double seconds);

}  // namespace planish::cli
