// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

// Smaller tensors are kept as they are: what a splat saves is the file's and the page cache's.
constexpr size_t kMinSplatBytes = 4096;

bool repeats_first_element(const Tensor& t, size_t element) {
  // All elements are equal if and only if the data equal themselves one element further on.
  return std::memcmp(t.data(), t.data() + element, t.bytes() - element) == 0;
}

}  // namespace

Constant make_constant(Tensor tensor) {
  Constant out;
  out.dims = tensor.dims();
  const size_t element = static_cast<size_t>(dtype_bits(tensor.dtype())) / 8;
  if (element != 0 && tensor.bytes() >= kMinSplatBytes && repeats_first_element(tensor, element)) {
    out.is_splat = true;
    out.data = Tensor(tensor.dtype(), {1});
    std::memcpy(out.data.data(), tensor.data(), element);
  } else {
    out.data = std::move(tensor);
  }
  return out;
}

Tensor expand(const Constant& constant) {
  if (!constant.is_splat) return constant.data;
  Tensor out(constant.dtype(), constant.dims);
  const size_t element = constant.data.bytes();
  if (out.bytes() == 0) return out;
  // Doubling copies: the first element, then as much again as is there.
  std::memcpy(out.data(), constant.data.data(), element);
  for (size_t done = element; done < out.bytes();) {
    const size_t n = std::min(done, out.bytes() - done);
    std::memcpy(out.data() + done, out.data(), n);
    done += n;
  }
  return out;
}

uint64_t weight_bytes(const Plan& plan) {
  uint64_t total = 0;
  for (const Constant& c : plan.constants) {
    total = checked_add(total, c.data.bytes(), "bytes of weights", ErrorCode::kInvalidPlan);
    if (c.dtype() != DType::kString) continue;
    for (const std::string& s : c.data.string_values())
      total = checked_add(total, s.size(), "bytes of weights", ErrorCode::kInvalidPlan);
  }
  return total;
}

}  // namespace planish::plan
