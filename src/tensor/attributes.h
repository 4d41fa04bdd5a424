// SPDX-License-Identifier: Apache-2.0
// Attributes of a node or of a plan's step: names to typed values.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tensor/tensor.h"
#include "tensor/type.h"

namespace planish {

using Attribute =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                 std::vector<std::string>, Tensor, std::vector<Tensor>, Type>;

// "int", "float", "string", "ints", "floats", "strings", "tensor", "tensors", "type"
std::string_view attribute_kind_name(const Attribute& attribute);
bool equal(const Attribute& a, const Attribute& b);  // tensors by content, bit for bit

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> items)
      : items_(items) {}

  bool has(std::string_view name) const { return items_.find(name) != items_.end(); }
  const Attribute* find(std::string_view name) const;
  void set(std::string name, Attribute value) {
    items_.insert_or_assign(std::move(name), std::move(value));
  }
  void erase(std::string_view name);
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

  // Typed access. The one-argument forms throw kInvalidModel if the attribute is absent; all throw
  // kInvalidModel if it is of another kind. An int is taken where a float is asked for.
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t fallback) const;
  double real(std::string_view name) const;
  double real(std::string_view name, double fallback) const;
  const std::string& text(std::string_view name) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  const std::vector<int64_t>& integers(std::string_view name) const;
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback) const;
  const std::vector<double>& reals(std::string_view name) const;
  std::vector<double> reals(std::string_view name, std::vector<double> fallback) const;
  const std::vector<std::string>& texts(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name, std::vector<std::string> fallback) const;
  const Tensor& tensor(std::string_view name) const;
  const std::vector<Tensor>& tensors(std::string_view name) const;
  const Type& type(std::string_view name) const;

  bool operator==(const Attributes& other) const;

 private:
  template <class T>
  const T& get(std::string_view name, std::string_view kind) const;
  std::map<std::string, Attribute, std::less<>> items_;
};

}  // namespace planish
