// SPDX-License-Identifier: Apache-2.0
#include "plan/decode.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/str.h"
#include "plan/dim_text.h"
#include "plan/file_format.h"
#include "plan/plan_generated.h"
#include "plan/verify.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

template <class T>
using Offsets = flatbuffers::Vector<flatbuffers::Offset<T>>;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kInvalidPlan, concat("the plan is damaged: ", what));
}

class Decoder {
 public:
  Decoder(std::span<const std::byte> tables, const OwnedBytes& weights)
      : tables_(tables), weights_(weights) {}

  Plan run() {
    const fb::Plan& in = root();
    Plan out;
    out.made_by = text(in.made_by());
    out.sources = text(in.sources());
    out.rebuild = text(in.rebuild());
    read_target(in.target(), out.target);
    out.metadata = pairs(in.metadata());
    each(in.symbols(), [&](const fb::Symbol& s) {
      out.symbols.push_back({text(s.name()), {s.min(), s.max()}});
      ranges_[out.symbols.back().name] = out.symbols.back().range;
    });
    read_expressions(in.expressions());
    each(in.types(), [&](const fb::Type& t) { types_.push_back(read_type(t)); });
    const auto port = [&](const fb::Port& p) { return Port{text(p.name()), type(p.type())}; };
    each(in.inputs(), [&](const fb::Port& p) { out.inputs.push_back(port(p)); });
    each(in.outputs(), [&](const fb::Port& p) { out.outputs.push_back(port(p)); });
    each(in.profiles(), [&](const fb::Profile& p) { out.profiles.push_back(read_profile(p)); });
    each(in.constants(), [&](const fb::Tensor& t) { out.constants.push_back(read_constant(t)); });
    each(in.programs(), [&](const fb::Program& p) { out.programs.push_back(read_program(p)); });
    each(in.report(), [&](const fb::Record& r) {
      out.report.push_back({text(r.kind()), text(r.subject()), pairs(r.fields())});
    });
    for (std::string& name : texts(in.sections())) out.sections.push_back({std::move(name), {}});
    if (weights_at_ != weights_.bytes.size())
      fail("the section of weights has bytes that belong to no tensor");
    return out;
  }

 private:
  const fb::Plan& root() const {
    if (tables_.size() < 16 || tables_.size() > file::kMaxTableBytes)
      fail("its tables have no valid size");
    flatbuffers::Verifier::Options options;
    options.max_depth = 24;
    // No two tables share bytes, and each takes at least 8 with its reference.
    options.max_tables = static_cast<flatbuffers::uoffset_t>(tables_.size() / 8);
    const auto* bytes = reinterpret_cast<const uint8_t*>(tables_.data());
    flatbuffers::Verifier verifier(bytes, tables_.size(), options);
    if (!fb::VerifyPlanBuffer(verifier)) fail("its tables are not well formed");
    return *fb::GetPlan(bytes);
  }

  // Parts of a well-formed buffer may overlap and so decode into far more than they are.
  void charge(uint64_t bytes) {
    charged_ += bytes;
    if (charged_ > tables_.size()) fail("parts of its tables overlap");
  }

  template <class T, class Use>
  void each(const Offsets<T>* items, Use use) {
    if (items == nullptr) return;
    charge(uint64_t{4} * items->size());
    for (const T* item : *items) use(*item);
  }

  std::string text(const flatbuffers::String* s) {
    if (s == nullptr) return {};
    charge(s->size());
    return s->str();
  }

  template <class T>
  std::vector<T> numbers(const flatbuffers::Vector<T>* values) {
    if (values == nullptr) return {};
    charge(uint64_t{values->size()} * sizeof(T));
    // The verifier does not see to it that elements of 8 bytes are aligned.
    std::vector<T> out(values->size());
    if (!out.empty()) std::memcpy(out.data(), values->Data(), out.size() * sizeof(T));
    return out;
  }

  std::vector<std::string> texts(const Offsets<flatbuffers::String>* items) {
    std::vector<std::string> out;
    each(items, [&](const flatbuffers::String& s) { out.push_back(text(&s)); });
    return out;
  }

  std::map<std::string, std::string> pairs(const Offsets<fb::Pair>* items) {
    std::map<std::string, std::string> out;
    each(items, [&](const fb::Pair& p) {
      std::string key = text(p.key());
      if (!out.empty() && !(out.rbegin()->first < key)) fail("names are out of order");
      out.emplace_hint(out.end(), std::move(key), text(p.value()));
    });
    return out;
  }

  void read_target(const fb::Target* in, Target& out) {
    if (in == nullptr) fail("it has no target");
    out.backend = text(in->backend());
    out.isa = text(in->isa());
    out.properties = pairs(in->properties());
  }

  void read_expressions(const Offsets<flatbuffers::String>* items) {
    each(items, [&](const flatbuffers::String& s) {
      expressions_.push_back(parse_dim(text(&s), ranges_));
      if (expressions_.back().is_constant() && expressions_.back().value() >= 0)
        fail("a plain number is written as an expression");
    });
  }

  Dim dim(int64_t number) const {
    if (number >= 0) return Dim(number);
    const auto index = static_cast<uint64_t>(~number);
    if (index >= expressions_.size()) fail(concat("there is no expression ", index));
    return expressions_[static_cast<size_t>(index)];
  }

  Type read_type(const fb::Type& in) {
    Type out;
    if (in.kind() > static_cast<uint8_t>(Type::Kind::kMap)) fail("a type is of no known kind");
    out.kind = static_cast<Type::Kind>(in.kind());
    out.dtype = dtype(in.dtype(), true);
    out.key = dtype(in.key(), true);
    const std::vector<int64_t> dims = numbers(in.dims());
    if (dims.size() > kMaxRank || (!in.has_shape() && !dims.empty()))
      fail("a type has no valid shape");
    if (in.has_shape()) {
      out.shape.emplace();
      for (int64_t d : dims) out.shape->push_back(dim(d));
    }
    if (in.element() != -1) out.element = std::make_shared<const Type>(type(in.element()));
    return out;
  }

  // Only types that were read before, so no type contains itself.
  const Type& type(int32_t index) const {
    if (index < 0 || static_cast<size_t>(index) >= types_.size())
      fail(concat("there is no type ", index));
    return types_[static_cast<size_t>(index)];
  }

  static DType dtype(uint8_t number, bool may_be_undefined) {
    if (number == 0 ? !may_be_undefined : !is_valid_dtype(number))
      fail(concat("there is no data type ", number));
    return static_cast<DType>(number);
  }

  Profile read_profile(const fb::Profile& in) {
    Profile out{.name = text(in.name())};
    each(in.inputs(), [&](const fb::DimsRange& r) {
      out.inputs.push_back({numbers(r.min()), numbers(r.opt()), numbers(r.max())});
    });
    return out;
  }

  Constant read_constant(const fb::Tensor& in) {
    Constant out;
    out.is_splat = in.is_splat();
    out.dims = numbers(in.dims());
    out.data = read_data(in, out.is_splat ? Dims{1} : out.dims);
    return out;
  }

  Tensor read_tensor(const fb::Tensor& in) {
    if (in.is_splat()) fail("a splat where none may be");
    return read_data(in, numbers(in.dims()));
  }

  Tensor read_data(const fb::Tensor& in, const Dims& dims) {
    const DType type = dtype(in.dtype(), false);
    if (dims.size() > kMaxRank) fail("a tensor has too many dimensions");
    const int64_t count = checked_element_count(dims, "a tensor", ErrorCode::kInvalidPlan);
    if (type == DType::kString) {
      if (!in.is_inline() || in.data() != nullptr || in.offset() != 0)
        fail("strings are not inline");
      std::vector<std::string> values = texts(in.strings());
      if (static_cast<int64_t>(values.size()) != count)
        fail("a tensor has too few or too many strings");
      return Tensor::strings(dims, std::move(values));
    }
    const uint64_t bytes = checked_bytes(count, static_cast<uint32_t>(dtype_bits(type)), "a tensor",
                                         ErrorCode::kInvalidPlan);
    if (in.strings() != nullptr || in.is_inline() != (bytes <= file::kMaxInlineBytes))
      fail("a tensor is kept in the wrong place");
    return in.is_inline() ? read_inline(in, type, dims, bytes) : read_bulk(in, type, dims, bytes);
  }

  Tensor read_inline(const fb::Tensor& in, DType type, const Dims& dims, uint64_t bytes) {
    const size_t size = in.data() == nullptr ? 0 : in.data()->size();
    if (size != bytes || in.offset() != 0) fail(concat("a tensor of ", bytes, " bytes has ", size));
    charge(size);
    Tensor out(type, dims);
    if (size != 0) std::memcpy(out.data(), in.data()->data(), size);
    return out;
  }

  // Bulk follows the order of the tables without gaps, so no two tensors overlap.
  Tensor read_bulk(const fb::Tensor& in, DType type, const Dims& dims, uint64_t bytes) {
    const uint64_t expected =
        checked_align_up(weights_at_, file::kTensorAlignment, "weights", ErrorCode::kInvalidPlan);
    if (in.data() != nullptr || in.offset() != expected ||
        !range_within(expected, bytes, weights_.bytes.size()))
      fail(concat("a tensor of ", bytes, " bytes from offset ", in.offset(),
                  " is not in its place in the ", weights_.bytes.size(), " bytes of weights"));
    weights_at_ = expected + bytes;
    auto* data = const_cast<std::byte*>(weights_.bytes.data() + expected);
    return Tensor(type, dims, data, static_cast<size_t>(bytes), weights_.owner);
  }

  Attribute read_attribute(const fb::Attribute& in) {
    switch (in.kind()) {
      case 0: return in.integer();
      case 1: return std::bit_cast<double>(in.real());
      case 2: return text(in.text());
      case 3: return numbers(in.integers());
      case 4: return numbers(in.reals());
      case 5: return texts(in.texts());
      case 6:
        if (in.tensor() == nullptr) fail("an attribute has no tensor");
        return read_tensor(*in.tensor());
      case 7: {
        std::vector<Tensor> tensors;
        each(in.tensors(), [&](const fb::Tensor& t) { tensors.push_back(read_tensor(t)); });
        return tensors;
      }
      case 8: return type(in.type());
      default: fail(concat("an attribute is of no known kind: ", static_cast<int>(in.kind())));
    }
  }

  Step read_step(const fb::Step& in) {
    Step out{.kernel = text(in.kernel()), .op = text(in.op()), .node = text(in.node())};
    std::string previous;
    each(in.attributes(), [&](const fb::Attribute& a) {
      std::string name = text(a.name());
      if (!out.attributes.empty() && !(previous < name)) fail("attributes are out of order");
      previous = name;
      out.attributes.set(std::move(name), read_attribute(a));
    });
    out.inputs = numbers(in.inputs());
    out.outputs = numbers(in.outputs());
    each(in.subprograms(), [&](const fb::Subprogram& s) {
      out.subprograms.push_back({text(s.name()), s.program(), numbers(s.captured())});
    });
    out.tactic = text(in.tactic());
    return out;
  }

  Program read_program(const fb::Program& in) {
    Program out{.name = text(in.name())};
    each(in.values(), [&](const fb::Value& v) {
      if (v.storage() > static_cast<uint8_t>(Storage::kAlias))
        fail("a value is stored in no known way");
      if (v.memory() > static_cast<uint8_t>(Memory::kDevice)) fail("a value is in no known memory");
      out.values.push_back({.name = text(v.name()),
                            .type = type(v.type()),
                            .storage = static_cast<Storage>(v.storage()),
                            .index = v.index(),
                            .offset = dim(v.offset()),
                            .memory = static_cast<Memory>(v.memory())});
    });
    each(in.steps(), [&](const fb::Step& s) { out.steps.push_back(read_step(s)); });
    out.inputs = numbers(in.inputs());
    out.outputs = numbers(in.outputs());
    return out;
  }

  std::span<const std::byte> tables_;
  const OwnedBytes& weights_;
  uint64_t weights_at_ = 0;
  uint64_t charged_ = 0;
  std::map<std::string, DimRange> ranges_;
  std::vector<Dim> expressions_;
  std::vector<Type> types_;
};

}  // namespace

Plan decode(std::span<const std::byte> tables, const OwnedBytes& weights) {
  return Decoder(tables, weights).run();
}

}  // namespace planish::plan
