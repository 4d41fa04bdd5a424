// SPDX-License-Identifier: Apache-2.0
#include "runtime/input_check.h"

#include <algorithm>

#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

const Tensor* tensor_in(const Datum& datum) { return std::get_if<Tensor>(&datum.held); }

std::string kind_of(const Datum& datum) {
  if (datum.empty()) return "nothing";
  if (const Tensor* t = tensor_in(datum)) return concat("a tensor of ", dtype_name(t->dtype()));
  return datum.is_sequence() ? "a sequence" : "a map";
}

// Does the datum have this type, as far as the type says? Shapes are not compared.
bool has_type(const Datum& datum, const Type& type) {
  switch (type.kind) {
    case Type::Kind::kUnknown: return true;
    case Type::Kind::kTensor: {
      const Tensor* t = tensor_in(datum);
      return t != nullptr && (type.dtype == DType::kUndefined || t->dtype() == type.dtype);
    }
    case Type::Kind::kSequence:
      if (!datum.is_sequence()) return false;
      return !type.element ||
             std::all_of(datum.items().begin(), datum.items().end(),
                         [&](const Datum& item) { return has_type(item, *type.element); });
    case Type::Kind::kOptional:
      return datum.empty() || !type.element || has_type(datum, *type.element);
    case Type::Kind::kMap: {
      const auto* map = std::get_if<std::shared_ptr<const MapDatum>>(&datum.held);
      return map != nullptr && (*map)->keys.dtype() == type.key &&
             (*map)->values.dtype() == type.dtype;
    }
  }
  return false;
}

std::string range_text(int64_t min, int64_t max) {
  if (min == max) return concat(min);
  if (max == INT64_MAX) return concat("at least ", min);
  return concat(min, " to ", max);
}

}  // namespace

void InputCheck::run(std::span<const Datum> inputs) {
  const std::vector<plan::Port>& ports = plan_.inputs;
  if (inputs.size() != ports.size())
    throw Error(ErrorCode::kInvalidArgument,
                concat("expected ", ports.size(), " inputs, got ", inputs.size()));
  bool is_new = passed_.size() != inputs.size();
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_type(i, inputs[i]);
    const Tensor* t = tensor_in(inputs[i]);
    if (t != nullptr && !is_new && passed_[i] != t->dims()) is_new = true;
  }
  if (!is_new) return;
  passed_.clear();
  for (size_t i = 0; i < inputs.size(); ++i)
    if (const Tensor* t = tensor_in(inputs[i])) check_shape(i, *t);
  check_profiles(inputs);
  for (const Datum& input : inputs)
    passed_.push_back(tensor_in(input) ? tensor_in(input)->dims() : Dims());
}

void InputCheck::check_type(size_t i, const Datum& datum) const {
  const plan::Port& port = plan_.inputs[i];
  if (has_type(datum, port.type)) {
    const Tensor* t = tensor_in(datum);
    if (t == nullptr || t->bytes() == 0 || t->data() != nullptr) return;
    throw Error(ErrorCode::kInvalidArgument, concat("input \"", port.name, "\" has no memory"));
  }
  throw Error(ErrorCode::kInvalidType, concat("input \"", port.name, "\": expected ",
                                              port.type.to_string(), ", got ", kind_of(datum)));
}

void InputCheck::fail_range(size_t i, const Tensor& t, size_t d, int64_t min, int64_t max,
                            const std::string& where) const {
  const plan::Port& port = plan_.inputs[i];
  throw Error(
      ErrorCode::kInvalidShape,
      concat("input \"", port.name, "\": expected ", port.type.to_string(), ", got ",
             dims_to_string(t.dims()), ": dimension ", d, " is ", t.dim(static_cast<int>(d)),
             ", expected ", range_text(min, max), where),
      {},
      concat("build with shapes for \"", port.name, "\" that include ", dims_to_string(t.dims())));
}

// Constant dims, and the ranges of symbols. That dims agree with one another is seen when they are
// bound.
void InputCheck::check_shape(size_t i, const Tensor& t) const {
  const Type& declared = plan_.inputs[i].type;
  const Type& type =
      declared.kind == Type::Kind::kOptional && declared.element ? *declared.element : declared;
  if (!type.has_rank()) return;
  if (type.shape->size() != t.dims().size())
    throw Error(
        ErrorCode::kInvalidShape,
        concat("input \"", plan_.inputs[i].name, "\": expected ", type.to_string(), ", got ",
               dims_to_string(t.dims()), ": the rank is ", t.rank(), ", not ", type.shape->size()));
  for (size_t d = 0; d < t.dims().size(); ++d) {
    DimRange range = (*type.shape)[d].range();
    range.min = std::max<int64_t>(range.min, 0);
    if (t.dims()[d] < range.min || t.dims()[d] > range.max)
      fail_range(i, t, d, range.min, range.max, "");
  }
}

bool InputCheck::is_inside(const plan::Profile& profile, std::span<const Datum> inputs) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const plan::DimsRange& range = profile.inputs[i];
    const Tensor* t = tensor_in(inputs[i]);
    if (t == nullptr) continue;
    for (size_t d = 0; d < range.opt.size(); ++d)
      if (t->dims()[d] < range.min[d] || t->dims()[d] > range.max[d]) return false;
  }
  return true;
}

void InputCheck::check_profiles(std::span<const Datum> inputs) const {
  const std::vector<plan::Profile>& profiles = plan_.profiles;
  if (profiles.empty()) return;
  const auto fits = [&](const plan::Profile& p) { return is_inside(p, inputs); };
  const size_t chosen = profile_ >= 0 ? static_cast<size_t>(profile_) : 0;
  if (profile_ >= 0 ? fits(profiles[chosen]) : std::any_of(profiles.begin(), profiles.end(), fits))
    return;
  const plan::Profile& profile = profiles[chosen];
  const std::string where = profiles.size() == 1 ? ""
                            : profile_ < 0       ? " (and no other profile fits)"
                                                 : concat(" in profile ", profile_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const plan::DimsRange& range = profile.inputs[i];
    const Tensor* t = tensor_in(inputs[i]);
    for (size_t d = 0; t != nullptr && d < range.opt.size(); ++d)
      if (t->dims()[d] < range.min[d] || t->dims()[d] > range.max[d])
        fail_range(i, *t, d, range.min[d], range.max[d], where);
  }
}

}  // namespace planish
