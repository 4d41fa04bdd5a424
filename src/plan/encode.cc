// SPDX-License-Identifier: Apache-2.0
#include "plan/encode.h"

#include <bit>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

#include "base/checked.h"
#include "base/str.h"
#include "plan/dim_text.h"
#include "plan/file_format.h"
#include "plan/plan_generated.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

using flatbuffers::Offset;
using flatbuffers::Vector;

class Encoder {
 public:
  explicit Encoder(const Plan& plan) : plan_(plan) {}

 private:
  // The builder asserts its limit of 2 GiB; this is well before it.
  void check_size(size_t more) const {
    if (more > file::kMaxTableBytes / 2 || builder_.GetSize() + more > file::kMaxTableBytes / 2)
      throw Error(ErrorCode::kUnsupported, "the tables of the plan are larger than 1 GiB");
  }

  Offset<flatbuffers::String> text(const std::string& s) {
    check_size(s.size());
    return builder_.CreateString(s);
  }

  template <class T>
  Offset<Vector<T>> numbers(const std::vector<T>& values) {
    check_size(values.size() * sizeof(T));
    return builder_.CreateVector(values);
  }

  template <class Items, class Encode>
  auto vector_of(const Items& items, Encode encode) {
    std::vector<decltype(encode(*items.begin()))> offsets;
    offsets.reserve(items.size());
    for (const auto& item : items) offsets.push_back(encode(item));
    check_size(offsets.size() * 4);
    return builder_.CreateVector(offsets);
  }

  Offset<Vector<Offset<fb::Pair>>> pairs(const std::map<std::string, std::string>& items) {
    return vector_of(items, [&](const auto& item) {
      const auto key = text(item.first), value = text(item.second);
      return fb::CreatePair(builder_, key, value);
    });
  }

  Offset<Vector<Offset<flatbuffers::String>>> texts(const std::vector<std::string>& items) {
    return vector_of(items, [&](const std::string& s) { return text(s); });
  }

  Offset<fb::Target> encode_target() {
    const auto backend = text(plan_.target.backend), isa = text(plan_.target.isa);
    return fb::CreateTarget(builder_, backend, isa, pairs(plan_.target.properties));
  }

  int64_t dim(const Dim& d) {
    if (d.is_constant() && d.value() >= 0) return d.value();
    if (!is_storable(d))
      throw Error(ErrorCode::kInternal,
                  concat("the dimension ", d.to_string(), " cannot be stored"));
    const std::string key = d.to_string();
    const auto [it, is_new] = expression_numbers_.try_emplace(key, expressions_.size());
    if (is_new) expressions_.push_back(text(key));
    return ~static_cast<int64_t>(it->second);
  }

  int32_t type(const Type& t) {
    const int32_t element = t.element ? type(*t.element) : -1;
    std::vector<int64_t> dims;
    if (t.shape)
      for (const Dim& d : *t.shape) dims.push_back(dim(d));
    const TypeKey key{static_cast<uint8_t>(t.kind),
                      static_cast<uint8_t>(t.dtype),
                      static_cast<uint8_t>(t.key),
                      t.shape.has_value(),
                      dims,
                      element};
    const auto [it, is_new] = type_numbers_.try_emplace(key, static_cast<int32_t>(types_.size()));
    if (is_new)
      types_.push_back(fb::CreateType(builder_, static_cast<uint8_t>(t.kind),
                                      static_cast<uint8_t>(t.dtype), static_cast<uint8_t>(t.key),
                                      t.shape.has_value(), numbers(dims), element));
    return it->second;
  }

  Offset<fb::Tensor> tensor(const Tensor& t, const Dims& dims, bool is_splat) {
    const auto dtype = static_cast<uint8_t>(t.dtype());
    if (!t.defined()) throw Error(ErrorCode::kInternal, "a tensor of a plan has no data");
    const auto shape = numbers(dims);
    if (t.dtype() == DType::kString) {
      const auto strings = texts(t.string_values());
      return fb::CreateTensor(builder_, dtype, shape, is_splat, true, 0, strings);
    }
    if (t.bytes() <= file::kMaxInlineBytes) {
      check_size(t.bytes());
      const auto data =
          builder_.CreateVector(reinterpret_cast<const uint8_t*>(t.data()), t.bytes());
      return fb::CreateTensor(builder_, dtype, shape, is_splat, true, data);
    }
    const uint64_t offset =
        checked_align_up(out_.weight_bytes, file::kTensorAlignment, "bytes of weights");
    out_.weights.emplace_back(t.data(), t.bytes());
    out_.weight_bytes = checked_add<uint64_t>(offset, t.bytes(), "bytes of weights");
    return fb::CreateTensor(builder_, dtype, shape, is_splat, false, 0, 0, offset);
  }

  Offset<fb::Tensor> tensor(const Tensor& t) { return tensor(t, t.dims(), false); }

  Offset<fb::Attribute> attribute(const std::string& name, const Attribute& a) {
    const auto key = text(name);
    Offset<flatbuffers::String> string;
    Offset<Vector<int64_t>> integers;
    Offset<Vector<double>> reals;
    Offset<Vector<Offset<flatbuffers::String>>> strings;
    Offset<fb::Tensor> one;
    Offset<Vector<Offset<fb::Tensor>>> many;
    int32_t type_number = -1;
    if (const auto* v = std::get_if<std::string>(&a)) string = text(*v);
    if (const auto* v = std::get_if<std::vector<int64_t>>(&a)) integers = numbers(*v);
    if (const auto* v = std::get_if<std::vector<double>>(&a)) reals = numbers(*v);
    if (const auto* v = std::get_if<std::vector<std::string>>(&a)) strings = texts(*v);
    if (const auto* v = std::get_if<Tensor>(&a)) one = tensor(*v);
    if (const auto* v = std::get_if<std::vector<Tensor>>(&a))
      many = vector_of(*v, [&](const Tensor& t) { return tensor(t); });
    if (const auto* v = std::get_if<Type>(&a)) type_number = type(*v);
    const auto* integer = std::get_if<int64_t>(&a);
    const auto* real = std::get_if<double>(&a);
    return fb::CreateAttribute(builder_, key, static_cast<uint8_t>(a.index()),
                               integer ? *integer : 0, real ? std::bit_cast<uint64_t>(*real) : 0,
                               string, integers, reals, strings, one, many, type_number);
  }

  Offset<fb::Step> step(const Step& s) {
    const auto kernel = text(s.kernel), op = text(s.op), node = text(s.node),
               tactic = text(s.tactic);
    const auto attributes =
        vector_of(s.attributes, [&](const auto& a) { return attribute(a.first, a.second); });
    const auto inputs = numbers(s.inputs), outputs = numbers(s.outputs);
    const auto subprograms = vector_of(s.subprograms, [&](const Subprogram& sub) {
      const auto name = text(sub.name);
      return fb::CreateSubprogram(builder_, name, sub.program, numbers(sub.captured));
    });
    return fb::CreateStep(builder_, kernel, op, node, attributes, inputs, outputs, subprograms,
                          tactic);
  }

  Offset<fb::Program> program(const Program& p) {
    const auto name = text(p.name);
    const auto values = vector_of(p.values, [&](const Value& v) {
      const auto value_name = text(v.name);
      return fb::CreateValue(builder_, value_name, type(v.type), static_cast<uint8_t>(v.storage),
                             v.index, dim(v.offset), static_cast<uint8_t>(v.memory));
    });
    const auto steps = vector_of(p.steps, [&](const Step& s) { return step(s); });
    const auto inputs = numbers(p.inputs), outputs = numbers(p.outputs);
    return fb::CreateProgram(builder_, name, values, steps, inputs, outputs);
  }

  Offset<fb::Profile> profile(const Profile& p) {
    const auto name = text(p.name);
    return fb::CreateProfile(builder_, name, vector_of(p.inputs, [&](const DimsRange& r) {
                               const auto min = numbers(r.min), opt = numbers(r.opt),
                                          max = numbers(r.max);
                               return fb::CreateDimsRange(builder_, min, opt, max);
                             }));
  }

 public:
  EncodedPlan run() {
    // Constants come first: readers place bulk in the order of the tables.
    const auto constants = vector_of(
        plan_.constants, [&](const Constant& c) { return tensor(c.data, c.dims, c.is_splat); });
    const auto programs = vector_of(plan_.programs, [&](const Program& p) { return program(p); });
    const auto port = [&](const Port& p) {
      const auto name = text(p.name);
      return fb::CreatePort(builder_, name, type(p.type));
    };
    const auto inputs = vector_of(plan_.inputs, port);
    const auto outputs = vector_of(plan_.outputs, port);
    const auto profiles = vector_of(plan_.profiles, [&](const Profile& p) { return profile(p); });
    const auto report = vector_of(plan_.report, [&](const Record& r) {
      const auto kind = text(r.kind), subject = text(r.subject);
      return fb::CreateRecord(builder_, kind, subject, pairs(r.fields));
    });
    const auto symbols = vector_of(plan_.symbols, [&](const Symbol& s) {
      return fb::CreateSymbol(builder_, text(s.name), s.range.min, s.range.max);
    });
    const auto sections = vector_of(plan_.sections, [&](const Section& s) { return text(s.name); });
    const auto metadata = pairs(plan_.metadata);
    const auto target = encode_target();
    const auto made_by = text(plan_.made_by), sources = text(plan_.sources),
               rebuild = text(plan_.rebuild);
    const auto expressions = builder_.CreateVector(expressions_);
    const auto types = builder_.CreateVector(types_);
    builder_.Finish(fb::CreatePlan(builder_, made_by, sources, rebuild, target, metadata, symbols,
                                   expressions, types, inputs, outputs, profiles, constants,
                                   programs, report, sections));
    const auto* bytes = reinterpret_cast<const std::byte*>(builder_.GetBufferPointer());
    out_.tables.assign(bytes, bytes + builder_.GetSize());
    return std::move(out_);
  }

 private:
  using TypeKey = std::tuple<uint8_t, uint8_t, uint8_t, bool, std::vector<int64_t>, int32_t>;

  const Plan& plan_;
  EncodedPlan out_;
  flatbuffers::FlatBufferBuilder builder_{1 << 16};
  std::vector<Offset<flatbuffers::String>> expressions_;
  std::map<std::string, size_t> expression_numbers_;
  std::vector<Offset<fb::Type>> types_;
  std::map<TypeKey, int32_t> type_numbers_;
};

}  // namespace

EncodedPlan encode(const Plan& plan) { return Encoder(plan).run(); }

}  // namespace planish::plan
