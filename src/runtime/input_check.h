// SPDX-License-Identifier: Apache-2.0
// Whether what a caller hands over is what the engine was built for.
#pragma once

#include <span>
#include <vector>

#include "plan/plan.h"
#include "tensor/tensor.h"

namespace planish {

class InputCheck {
 public:
  // `profile`: whose ranges the dims must keep; negative: those of any.
  InputCheck(const plan::Plan& plan, int profile) : plan_(plan), profile_(profile) {}

  // Throws kInvalidArgument for a wrong number of inputs, kInvalidType for a wrong kind or data
  // type and kInvalidShape for dims that the engine was not built for, naming the input. Dims that
  // passed the last time are not looked at again.
  void run(std::span<const Datum> inputs);

 private:
  void check_type(size_t i, const Datum& datum) const;
  void check_shape(size_t i, const Tensor& tensor) const;
  void check_profiles(std::span<const Datum> inputs) const;
  bool is_inside(const plan::Profile& profile, std::span<const Datum> inputs) const;
  [[noreturn]] void fail_range(size_t i, const Tensor& t, size_t d, int64_t min, int64_t max,
                               const std::string& where) const;

  const plan::Plan& plan_;
  int profile_;
  std::vector<Dims> passed_;  // by input
};

}  // namespace planish
