// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <utility>

namespace planish::cli {
namespace {

struct Looker {
  planish_context* context;
  const std::function<void(const StepTime&)>& look;
  std::exception_ptr failed;  // nothing may leave a callback of C
};

}  // namespace

void for_each_step(Context& context, const Values& inputs,
                   const std::function<void(const StepTime&)>& look) {
  Looker looker{context.handle(), look, nullptr};
  planish_context_set_step_callback(
      context.handle(),
      [](int step, const char* node, const char* op, const char* kernel, double start,
         double seconds, void* user) {
        auto& l = *static_cast<Looker*>(user);
        if (l.failed) return;
        try {
          l.look(
              {planish_context_step_program(l.context), step, node, op, kernel, start, seconds, 1});
        } catch (...) {
          l.failed = std::current_exception();
        }
      },
      &looker);
  try {
    context.run(inputs);
  } catch (...) {
    planish_context_set_step_callback(context.handle(), nullptr, nullptr);
    throw;
  }
  planish_context_set_step_callback(context.handle(), nullptr, nullptr);
  if (looker.failed) std::rethrow_exception(looker.failed);
}

Value step_output(const Context& context, size_t k) {
  planish_value* value = nullptr;
  detail::check(planish_context_step_output(context.handle(), static_cast<int>(k), &value));
  return Value(value);
}

std::vector<StepTime> trace_run(Context& context, const Values& inputs) {
  std::vector<StepTime> rows;
  for_each_step(context, inputs, [&](const StepTime& step) { rows.push_back(step); });
  return rows;
}

StepTimes measure_steps(Context& context, const Values& inputs, int runs, double seconds) {
  context.run(inputs);
  std::map<std::pair<int, int>, std::pair<StepTime, std::vector<double>>> all;
  StepTimes out;
  const auto begin = std::chrono::steady_clock::now();
  do {
    std::map<std::pair<int, int>, StepTime> one;
    for (StepTime& row : trace_run(context, inputs)) {
      const auto [it, is_new] = one.try_emplace({row.program, row.step}, row);
      if (is_new) continue;
      it->second.seconds += row.seconds;
      ++it->second.calls;
    }
    for (auto& [key, row] : one) {
      auto& [first, times] = all.try_emplace(key, row, std::vector<double>()).first->second;
      times.push_back(row.seconds);
    }
    ++out.runs;
  } while (out.runs < runs &&
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() <
               seconds);
  for (auto& [key, entry] : all) {
    auto& [row, times] = entry;
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    row.seconds = times[times.size() / 2];
    if (row.program == 0) out.total += row.seconds;
    out.steps.push_back(std::move(row));
  }
  return out;
}

}  // namespace planish::cli
