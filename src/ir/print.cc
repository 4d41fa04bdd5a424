// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "base/str.h"
#include "ir/text.h"
#include "tensor/elements.h"

namespace planish::ir {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string value_name(const std::string& name) {
  bool plain = !name.empty();
  for (char c : name) plain &= std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
  return plain ? "%" + name : "%" + quoted(name);
}

std::string real_text(double v, int digits) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char text[40];
  std::snprintf(text, sizeof(text), "%.*g", digits, v);
  std::string out = text;
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string hex_text(const Tensor& t) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "hex \"";
  for (size_t i = 0; i < t.bytes(); ++i) {
    const auto byte = static_cast<unsigned>(t.data()[i]);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out + "\"";
}

// Whether every element has the bits of the first (whole-byte types only).
bool is_splat(const Tensor& t) {
  const int bits = dtype_bits(t.dtype());
  if (bits < 8 || t.count() < 2) return false;
  const auto size = static_cast<size_t>(bits / 8);
  return std::memcmp(t.data(), t.data() + size, t.bytes() - size) == 0;
}

std::string element_text(const Tensor& t, int64_t i) {
  if (t.dtype() == DType::kString) return quoted(t.string_values()[static_cast<size_t>(i)]);
  if (is_float(t.dtype()))
    return real_text(element<double>(t, i), t.dtype() == DType::kF64 ? 17 : 9);
  if (dtype_class(t.dtype()) == DTypeClass::kUnsigned) return concat(element<uint64_t>(t, i));
  return concat(element<int64_t>(t, i));
}

// A NaN has many codes and a complex number has two parts: those go by their bits.
bool needs_bits(const Tensor& t) {
  if (is_complex(t.dtype())) return true;
  if (!is_float(t.dtype())) return false;
  for (int64_t i = 0; i < t.count(); ++i)
    if (std::isnan(element<double>(t, i))) return true;
  return false;
}

std::string tensor_text(const Tensor& t, const PrintOptions& options) {
  std::string out = concat(dtype_name(t.dtype()), "[", join(t.dims()), "] ");
  if (t.dtype() != DType::kString) {
    if (is_splat(t) && !needs_bits(t)) return out + "splat " + element_text(t, 0);
    if (t.count() > options.max_elements && !options.bulk)
      return out + concat("of ", t.bytes(), " bytes");
    if (t.count() > options.max_elements || needs_bits(t)) return out + hex_text(t);
  }
  out += "{";
  for (int64_t i = 0; i < t.count(); ++i) out += (i ? ", " : "") + element_text(t, i);
  return out + "}";
}

template <class List, class F>
std::string list_text(const List& list, const char* kind, F item) {
  if (list.empty()) return concat(kind, "[]");
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + item(list[i]);
  return out + "]";
}

struct AttributeText {
  const PrintOptions& options;
  std::string operator()(int64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const { return real_text(v, 17); }
  std::string operator()(const std::string& v) const { return quoted(v); }
  std::string operator()(const std::vector<int64_t>& v) const {
    return list_text(v, "ints", [](int64_t x) { return std::to_string(x); });
  }
  std::string operator()(const std::vector<double>& v) const {
    return list_text(v, "floats", [](double x) { return real_text(x, 17); });
  }
  std::string operator()(const std::vector<std::string>& v) const {
    return list_text(v, "strings", [](const std::string& x) { return quoted(x); });
  }
  std::string operator()(const Tensor& t) const { return "tensor " + tensor_text(t, options); }
  std::string operator()(const std::vector<Tensor>& v) const {
    return "tensors " +
           list_text(v, "", [this](const Tensor& t) { return tensor_text(t, options); });
  }
  std::string operator()(const Type& t) const { return "type " + t.to_string(); }
};

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  void graph(const Graph& g, const std::string& indent) {
    if (g.owner() != nullptr) rename_hiding(g);
    out_ += concat("graph ", quoted(g.name()), " {\n");
    const std::string inner = indent + "  ";
    for (const auto& [key, value] : g.metadata())
      out_ += concat(inner, "meta ", quoted(key), " = ", quoted(value), "\n");
    for (const Value* in : g.inputs())
      out_ += concat(inner, "input ", name(in), " : ", in->type().to_string(), "\n");
    for (const Value* c : g.constants())
      out_ += concat(inner, "const ", name(c), " = ", tensor_text(c->constant(), options_), "\n");
    for (const auto& n : g.nodes()) node(*n, inner);
    for (size_t i = 0; i < g.outputs().size(); ++i)
      out_ += concat(inner, "output ", name(g.outputs()[i]), " as ",
                     quoted(g.output_name(static_cast<int>(i))), "\n");
    out_ += indent + "}";
  }
  std::string take() { return std::move(out_); }

 private:
  const std::string& plain_name(const Value* v) const {
    const auto it = renamed_.find(v);
    return it == renamed_.end() ? v->name() : it->second;
  }
  std::string name(const Value* v) const { return v ? value_name(plain_name(v)) : "_"; }

  // Names of values of enclosing graphs that `g` uses; its own constants and inputs are not.
  void collect_captured(const Graph& g, const Graph& body, std::set<std::string>& names) const {
    const auto add = [&](const Value* v) {
      if (v != nullptr && !body.encloses(v->graph())) names.insert(plain_name(v));
    };
    for (const auto& n : g.nodes()) {
      for (const Value* in : n->inputs()) add(in);
      for (const auto& [key, sub] : n->subgraphs()) collect_captured(*sub, body, names);
    }
    for (const Value* out : g.outputs()) add(out);
  }

  // A value of the body that would hide one that the body uses gets another name.
  void rename_hiding(const Graph& body) {
    std::set<std::string> captured;
    collect_captured(body, body, captured);
    if (captured.empty()) return;
    std::vector<const Value*> own(body.inputs().begin(), body.inputs().end());
    for (const Value* c : body.constants()) own.push_back(c);
    for (const auto& n : body.nodes())
      for (const Value* out : n->outputs())
        if (out != nullptr) own.push_back(out);
    std::set<std::string> taken = captured;
    for (const Value* v : own) taken.insert(v->name());
    for (const Value* v : own) {
      if (captured.count(v->name()) == 0) continue;
      std::string free = v->name();
      for (int i = 1; taken.count(free) != 0; ++i) free = concat(v->name(), "_", i);
      taken.insert(free);
      renamed_[v] = free;
    }
  }

  void node(const Node& n, const std::string& indent) {
    out_ += indent;
    for (size_t i = 0; i < n.outputs().size(); ++i) out_ += (i ? ", " : "") + name(n.outputs()[i]);
    if (!n.outputs().empty()) out_ += " = ";
    out_ += n.op() + "(";
    for (size_t i = 0; i < n.inputs().size(); ++i) out_ += (i ? ", " : "") + name(n.inputs()[i]);
    out_ += ")";
    if (!n.attributes().empty()) {
      out_ += " {";
      bool first = true;
      for (const auto& [key, value] : n.attributes()) {
        out_ += concat(first ? "" : ", ", key, "=", std::visit(AttributeText{options_}, value));
        first = false;
      }
      out_ += "}";
    }
    for (const auto& [key, body] : n.subgraphs()) {
      out_ += concat(" ", key, "=");
      graph(*body, indent);
    }
    if (options_.types && !n.outputs().empty()) {
      out_ += " : ";
      for (size_t i = 0; i < n.outputs().size(); ++i)
        out_ += (i ? ", " : "") + (n.outputs()[i] ? n.outputs()[i]->type().to_string() : "_");
    }
    if (options_.names) out_ += " " + quoted(n.name());
    out_ += "\n";
  }

  const PrintOptions& options_;
  std::string out_;
  std::map<const Value*, std::string> renamed_;  // only looked up, so its order does not matter
};

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  Printer printer(options);
  printer.graph(graph, "");
  return printer.take() + "\n";
}

}  // namespace planish::ir
