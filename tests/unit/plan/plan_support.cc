// SPDX-License-Identifier: Apache-2.0
#include "unit/plan/plan_support.h"

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace planish::test {
namespace {

using plan::Storage;

Tensor pattern(DType type, Dims dims) {
  Tensor t(type, std::move(dims));
  for (size_t i = 0; i < t.bytes(); ++i) t.data()[i] = static_cast<std::byte>(i * 37 + i / 256);
  return t;
}

OwnedBytes owned(size_t bytes) {
  std::shared_ptr<std::byte> block = allocate_bytes(bytes);
  for (size_t i = 0; i < bytes; ++i) block.get()[i] = static_cast<std::byte>(i * 11 + 1);
  return {.bytes = {block.get(), bytes}, .owner = block};
}

plan::Constant constant(Tensor t) {
  Dims dims = t.dims();
  return {.data = std::move(t), .dims = std::move(dims)};
}

Type type_of_constant(const plan::Constant& c) {
  return Type::tensor(c.dtype(), Shape(c.dims.begin(), c.dims.end()));
}

Attributes every_kind() {
  Attributes a;
  a.set("integer", int64_t{-7});
  a.set("zero", int64_t{0});
  a.set("real", -0.0);
  a.set("text", std::string("a\0b", 3));
  a.set("integers", std::vector<int64_t>{INT64_MIN, 0, INT64_MAX});
  a.set("none", std::vector<int64_t>{});
  a.set("reals", std::vector<double>{0.5, -1e300});
  a.set("texts", std::vector<std::string>{"", "x"});
  a.set("tensor", pattern(DType::kF16, {3, 2}));
  a.set("bulk", pattern(DType::kF32, {30, 20}));
  a.set("tensors", std::vector<Tensor>{Tensor::scalar_i64(3), Tensor::strings({2}, {"s", "t"})});
  a.set("type", Type::optional(
                    Type::sequence(Type::tensor(DType::kI4, {Dim::symbol("n", {1, 64}), Dim(2)}))));
  return a;
}

void add_body(plan::Plan& plan, const Type& x) {
  plan::Program body{.name = "body"};
  body.values = {{.name = "s", .type = x, .storage = Storage::kInput, .index = 0},
                 {.name = "captured", .type = x, .storage = Storage::kInput, .index = 1},
                 {.name = "t", .type = x, .storage = Storage::kPlanned}};
  body.steps = {{.kernel = "ref", .op = "Add", .node = "inner", .inputs = {0, 1}, .outputs = {2}}};
  body.inputs = {0, 1};
  body.outputs = {2};
  plan.programs.push_back(std::move(body));
}

plan::Program full_main(const plan::Plan& plan, const Type& x, const Type& z, const Type& longer) {
  const Dim n = Dim::symbol("n", {1, 64});
  plan::Program main{.name = "main"};
  main.values = {{.name = "x", .type = x, .storage = Storage::kInput, .index = 0},
                 {.name = "z", .type = z, .storage = Storage::kInput, .index = 1}};
  for (size_t i = 0; i < plan.constants.size(); ++i)
    main.values.push_back({.name = "c",
                           .type = type_of_constant(plan.constants[i]),
                           .storage = Storage::kConstant,
                           .index = static_cast<int32_t>(i)});
  main.values.push_back({.name = "a", .type = x, .storage = Storage::kPlanned});
  main.values.push_back({.name = "view",
                         .type = Type::tensor(DType::kF32, {n * Dim(2)}),
                         .storage = Storage::kAlias,
                         .index = 8,
                         .offset = n * Dim(4)});
  main.values.push_back({.name = "d", .type = longer, .storage = Storage::kDynamic});
  main.values.push_back({.name = "q",
                         .type = Type::sequence(Type::tensor(DType::kString)),
                         .storage = Storage::kDynamic});
  main.steps = {{.kernel = "ref",
                 .op = "Add",
                 .node = "add",
                 .attributes = every_kind(),
                 .inputs = {0, -1, 2},
                 .outputs = {8, -1},
                 .tactic = "because"},
                {.kernel = "alias", .op = "Reshape", .node = "r", .inputs = {8}, .outputs = {9}},
                {.kernel = "ref",
                 .op = "Loop",
                 .node = "loop",
                 .inputs = {0, 9},
                 .outputs = {10, 11},
                 .subprograms = {{.name = "body", .program = 1, .captured = {0}}}}};
  main.inputs = {0, 1};
  main.outputs = {10, 9};
  return main;
}

}  // namespace

plan::Plan full_plan() {
  plan::Plan plan;
  plan.made_by = "0.1.0-test";
  plan.sources = "none";
  plan.rebuild = "planish build net.onnx -o net.plan";
  plan.target = {.backend = "ref", .isa = "plain", .properties = {{"a", "1"}, {"b", ""}}};
  plan.metadata = {{"alphabet", "\xc3\xa4"}, {"empty", ""}};
  const Dim n = Dim::symbol("n", {1, 64}), m = Dim::symbol("odd name \"x\"", {0, INT64_MAX});
  plan.symbols = {{"n", {1, 64}}, {"odd name \"x\"", {0, INT64_MAX}}};
  plan.constants = {constant(pattern(DType::kF32, {40, 20})),
                    {.data = pattern(DType::kF32, {1}), .dims = {100000, 1000}, .is_splat = true},
                    constant(Tensor::strings({2, 2}, {"a", "", "long text", "d"})),
                    constant(pattern(DType::kI4, {2, 2})),
                    constant(pattern(DType::kU8, {5000})),
                    constant(Tensor(DType::kF32, {0, 3}))};
  const Type x = Type::tensor(DType::kF32, {n, Dim(4)});
  const Type z = Type::tensor(DType::kF32, {m});
  const Type longer =
      Type::tensor(DType::kF32, {(n * Dim(4)).floor_div(Dim(3)) + Dim::max(n, m), m});
  plan::Program main = full_main(plan, x, z, longer);
  plan.inputs = {{"x", x}, {"z", z}};
  plan.outputs = {{"first", longer}, {"second", main.values[9].type}};
  plan.programs = {std::move(main)};
  add_body(plan, x);
  plan.profiles = {{.name = "p", .inputs = {{{1, 4}, {2, 4}, {64, 4}}, {}}}};
  plan.report = {{.kind = "pass", .subject = "fold", .fields = {{"nodes", "3"}}},
                 {.kind = "model", .subject = ""}};
  plan.sections = {{.name = "graph", .data = owned(10000)},
                   {.name = "target:other", .data = owned(3)}};
  return plan;
}

plan::Plan small_plan() {
  plan::Plan plan;
  plan.made_by = "0.1.0";
  plan.rebuild = "planish build small.onnx -o small.plan";
  plan.target = {.backend = "ref"};
  plan.symbols = {{"n", {1, 8}}};
  const Type x = Type::tensor(DType::kF32, {Dim::symbol("n", {1, 8}), Dim(300)});
  Tensor c(DType::kF32, {300});
  for (int i = 0; i < 300; ++i) c.as<float>()[i] = static_cast<float>(i % 7) - 3;
  plan.constants = {constant(std::move(c))};
  plan::Program main{.name = "small"};
  main.values = {{.name = "x", .type = x, .storage = Storage::kInput, .index = 0},
                 {.name = "c",
                  .type = Type::tensor(DType::kF32, {Dim(300)}),
                  .storage = Storage::kConstant,
                  .index = 0},
                 {.name = "s", .type = x, .storage = Storage::kPlanned},
                 {.name = "y", .type = x, .storage = Storage::kPlanned}};
  main.steps = {{.kernel = "ref", .op = "Add", .node = "add", .inputs = {0, 1}, .outputs = {2}},
                {.kernel = "ref", .op = "Relu", .node = "relu", .inputs = {2}, .outputs = {3}}};
  main.inputs = {0};
  main.outputs = {3};
  plan.inputs = {{"x", x}};
  plan.outputs = {{"y", x}};
  plan.programs = {std::move(main)};
  return plan;
}

std::vector<std::byte> bytes_of(const std::string& path) {
  const OwnedBytes file = load_file(path, FileAccess::kCopy);
  return {file.bytes.begin(), file.bytes.end()};
}

void put_bytes(const std::string& path, const std::vector<std::byte>& bytes) {
  write_file(path, bytes);
}

TempFolder::TempFolder() {
  path_ = (std::filesystem::temp_directory_path() / "planish-test-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) throw Error(ErrorCode::kFileError, "no temporary folder");
}

TempFolder::~TempFolder() { std::filesystem::remove_all(path_); }

Error error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kOk, "no error");
}

}  // namespace planish::test
