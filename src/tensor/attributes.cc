// SPDX-License-Identifier: Apache-2.0
#include "tensor/attributes.h"

#include <cstring>

#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

bool equal_tensors(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (!a.defined()) return true;
  if (a.dtype() == DType::kString) return a.string_values() == b.string_values();
  return a.bytes() == 0 || a.data() == b.data() || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace

std::string_view attribute_kind_name(const Attribute& attribute) {
  static constexpr std::string_view kNames[] = {"int",     "float",  "string",  "ints", "floats",
                                                "strings", "tensor", "tensors", "type"};
  return kNames[attribute.index()];
}

bool equal(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  if (const auto* t = std::get_if<Tensor>(&a)) return equal_tensors(*t, std::get<Tensor>(b));
  if (const auto* list = std::get_if<std::vector<Tensor>>(&a)) {
    const auto& other = std::get<std::vector<Tensor>>(b);
    if (list->size() != other.size()) return false;
    for (size_t i = 0; i < list->size(); ++i)
      if (!equal_tensors((*list)[i], other[i])) return false;
    return true;
  }
  if (const auto* x = std::get_if<double>(&a))  // bit for bit, so that NaN equals itself
    return std::memcmp(x, &std::get<double>(b), sizeof(double)) == 0;
  return std::visit(
      [&b](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, std::vector<Tensor>>)
          return false;
        else
          return x == std::get<T>(b);
      },
      a);
}

const Attribute* Attributes::find(std::string_view name) const {
  const auto it = items_.find(name);
  return it == items_.end() ? nullptr : &it->second;
}

void Attributes::erase(std::string_view name) {
  const auto it = items_.find(name);
  if (it != items_.end()) items_.erase(it);
}

template <class T>
const T& Attributes::get(std::string_view name, std::string_view kind) const {
  const Attribute* a = find(name);
  if (a == nullptr)
    throw Error(ErrorCode::kInvalidModel, concat("attribute \"", name, "\" is missing"));
  if (const T* value = std::get_if<T>(a)) return *value;
  throw Error(ErrorCode::kInvalidModel, concat("attribute \"", name, "\": expected ", kind,
                                               ", got ", attribute_kind_name(*a)));
}

int64_t Attributes::integer(std::string_view name) const { return get<int64_t>(name, "int"); }
int64_t Attributes::integer(std::string_view name, int64_t fallback) const {
  return has(name) ? integer(name) : fallback;
}
double Attributes::real(std::string_view name) const {
  if (const Attribute* a = find(name))
    if (const auto* i = std::get_if<int64_t>(a)) return static_cast<double>(*i);
  return get<double>(name, "float");
}
double Attributes::real(std::string_view name, double fallback) const {
  return has(name) ? real(name) : fallback;
}
const std::string& Attributes::text(std::string_view name) const {
  return get<std::string>(name, "string");
}
std::string Attributes::text(std::string_view name, std::string_view fallback) const {
  return has(name) ? text(name) : std::string(fallback);
}
const std::vector<int64_t>& Attributes::integers(std::string_view name) const {
  return get<std::vector<int64_t>>(name, "ints");
}
std::vector<int64_t> Attributes::integers(std::string_view name,
                                          std::vector<int64_t> fallback) const {
  if (has(name)) fallback = integers(name);
  return fallback;
}
const std::vector<double>& Attributes::reals(std::string_view name) const {
  return get<std::vector<double>>(name, "floats");
}
std::vector<double> Attributes::reals(std::string_view name, std::vector<double> fallback) const {
  if (has(name)) fallback = reals(name);
  return fallback;
}
const std::vector<std::string>& Attributes::texts(std::string_view name) const {
  return get<std::vector<std::string>>(name, "strings");
}
std::vector<std::string> Attributes::texts(std::string_view name,
                                           std::vector<std::string> fallback) const {
  if (has(name)) fallback = texts(name);
  return fallback;
}
const Tensor& Attributes::tensor(std::string_view name) const {
  return get<Tensor>(name, "tensor");
}
const std::vector<Tensor>& Attributes::tensors(std::string_view name) const {
  return get<std::vector<Tensor>>(name, "tensors");
}
const Type& Attributes::type(std::string_view name) const { return get<Type>(name, "type"); }

bool Attributes::operator==(const Attributes& other) const {
  if (items_.size() != other.items_.size()) return false;
  auto it = other.items_.begin();
  for (const auto& [name, value] : items_) {
    if (name != it->first || !equal(value, it->second)) return false;
    ++it;
  }
  return true;
}

}  // namespace planish
