// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

const std::string kEdges =
    "const %xs = float32[] {0.03}\nconst %xz = uint8[] {119}\nconst %xn = int8[] {-7}\n"
    "const %ys = float32[] {0.37}\nconst %yz = uint8[] {101}\nconst %yn = int8[] {5}\n"
    "const %low = float32[] {-3.0}\nconst %high = float32[] {4.5}\n";

struct Product {
  std::string name;
  std::string x;  // shape
  DType x_type;
  Dims w;
  DType w_type;
  bool per_channel = false, w_zero = false;
  std::string attributes;  // of Conv; "matrix": a MatMul
  std::string tail;        // from %y to %z
  std::string output = "uint8";
  std::vector<std::string> kernels = {"cpu.byte_product"};
  std::vector<std::vector<Dims>> runs = {};
  std::string floats;  // shape of an input %r for the tail
  std::string op = "Conv";
};

std::string scale_text(const Product& p, int64_t n) {
  const Dims dims = p.per_channel ? Dims{n} : Dims{};
  std::string text = concat("const %ws = float32[", p.per_channel ? std::to_string(n) : "", "] {");
  for (int64_t i = 0; i < element_count(dims); ++i)
    text += concat(i == 0 ? "" : ", ", "0.0", 1 + i % 9, "5");
  text += "}\n";
  return text + random_constant("wz", p.w_type, dims, p.w_type == DType::kU8 ? 120 : -5,
                                p.w_type == DType::kU8 ? 133 : 5);
}

StepCase product_case(const Product& p) {
  const bool matrix = p.attributes == "matrix", is_signed = p.x_type == DType::kI8;
  const int64_t n = p.w[matrix ? 1 : 0];
  const bool u8_weights = p.w_type == DType::kU8;
  std::string text =
      concat("input %x : ", dtype_name(p.x_type), "[", p.x, "]\n", kEdges,
             random_constant("w", p.w_type, p.w, u8_weights ? 0 : -128, u8_weights ? 255 : 127),
             random_constant("b", DType::kF32, {n}), scale_text(p, n));
  if (!p.floats.empty()) text += concat("input %r : float32[", p.floats, "]\n");
  text += concat("%xf = DequantizeLinear(%x, %xs, ", is_signed ? "%xn" : "%xz", ")\n");
  text += concat("%wf = DequantizeLinear(%w, %ws", p.w_zero ? ", %wz" : "",
                 ") {axis=", matrix ? 1 : 0, "}\n");
  text += matrix ? "%y = MatMul(%xf, %wf)\n"
                 : concat("%y = ", p.op, "(%xf, %wf, %b) {", p.attributes, "}\n");
  text += p.tail + "\n";
  if (p.output == "float32")
    text += "output %z";
  else
    text +=
        concat("%q = QuantizeLinear(%z, %ys, ", p.output == "int8" ? "%yn" : "%yz", ")\noutput %q");
  StepCase c{p.name, text, p.kernels, p.runs};
  c.apart = 1;
  return c;
}

const std::string kSame = "pads=[1, 1, 1, 1]";
const std::string kRelu = "%z = Relu(%y)";
const std::string kNone = "%z = Identity(%y)";
// For tails with an operand of the image's size: it has the layout of the pixels.
const std::string kNhwc = "planish.ConvNhwc";
const std::vector<std::string> kProduct = {"cpu.byte_product"};
// The product does not compute the float value that the tail wants.
const std::vector<std::string> kValueAndProduct = {"cpu.dequantize", "cpu.byte_product"};
constexpr DType kU = DType::kU8, kI = DType::kI8;

const std::vector<Product> kProducts = {
    {"conv", "2, 8, 9, 11", kU, {5, 8, 3, 3}, kI, false, false, kSame, kRelu},
    {"conv_odd_channels",
     "1, 3, 10, 9",
     kU,
     {33, 3, 3, 3},
     kI,
     true,
     false,
     kSame + ", strides=[2, 2]",
     kRelu},
    {"conv_signed", "1, 6, 7, 8", kI, {40, 6, 3, 3}, kI, true, false, kSame, kRelu, "int8"},
    {"conv_weights_with_zero",
     "1, 5, 7, 8",
     kU,
     {9, 5, 3, 2},
     kI,
     true,
     true,
     "dilations=[2, 1]",
     kNone},
    {"conv_unsigned_weights",
     "1, 5, 7, 8",
     kI,
     {9, 5, 1, 1},
     kU,
     false,
     true,
     "pads=[0, 0, 0, 0]",
     kNone,
     "int8"},
    {"conv_one_by_one",
     "2, 16, 7, 5",
     kU,
     {70, 16, 1, 1},
     kI,
     true,
     false,
     "pads=[0, 0, 0, 0]",
     "%z = Clip(%y, %low, %high)"},
    {"conv_silu",
     "1, 16, 7, 5",
     kU,
     {20, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Sigmoid(%y)\n%z = Mul(%y, %s)"},
    {"conv_tape",
     "1, 7, 5, 16",
     kU,
     {16, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Softplus(%y)\n%z = Mul(%r, %s)",
     "uint8",
     kProduct,
     {},
     "1, 7, 5, 16",
     kNhwc},
    {"conv_residual",
     "1, 7, 5, 16",
     kU,
     {16, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Add(%y, %r)\n%z = Relu(%s)",
     "uint8",
     kProduct,
     {},
     "1, 7, 5, 16",
     kNhwc},
    {"conv_residual_last",
     "1, 7, 5, 16",
     kI,
     {16, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Relu(%y)\n%z = Add(%s, %r)",
     "int8",
     kProduct,
     {},
     "1, 7, 5, 16",
     kNhwc},
    {"conv_residual_is_its_own_data",
     "1, 7, 5, 16",
     kU,
     {16, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Add(%y, %xf)\n%z = Relu(%s)",
     "uint8",
     kValueAndProduct,
     {},
     "",
     kNhwc},
    {"conv_tape_of_its_own_data",
     "1, 7, 5, 16",
     kU,
     {16, 16, 3, 3},
     kI,
     true,
     false,
     kSame,
     "%s = Softplus(%y)\n%z = Mul(%xf, %s)",
     "uint8",
     kValueAndProduct,
     {},
     "",
     kNhwc},
    {"conv_floats", "1, 16, 7, 5", kU, {20, 16, 3, 3}, kI, true, false, kSame, kRelu, "float32"},
    {"conv_one_d", "2, 7, 19", kI, {6, 7, 5}, kI, true, false, "pads=[2, 2]", kRelu, "int8"},
    {"conv_three_d",
     "1, 4, 3, 5, 4",
     kU,
     {6, 4, 2, 3, 1},
     kI,
     false,
     false,
     "pads=[1, 0, 0, 1, 0, 0]",
     kRelu},
    {"conv_same_upper",
     "1, 4, 7, 6",
     kU,
     {6, 4, 3, 4},
     kI,
     false,
     false,
     "auto_pad=\"SAME_UPPER\"",
     kNone},
    {"conv_empty", "0, 4, 7, 6", kU, {6, 4, 3, 3}, kI, false, false, kSame, kNone},
    {"conv_dynamic",
     "n, 4, h, w",
     kU,
     {6, 4, 3, 3},
     kI,
     true,
     false,
     kSame,
     kRelu,
     "uint8",
     kProduct,
     {{{1, 4, 8, 8}}, {{2, 4, 5, 17}}, {{0, 4, 4, 4}}, {{1, 4, 1, 1}}}},
    {"matrix", "7, 40", kU, {40, 33}, kI, true, false, "matrix", kRelu},
    {"matrix_odd", "2, 3, 13", kI, {13, 5}, kI, false, false, "matrix", kNone, "int8"},
    {"matrix_with_zero", "65, 24", kU, {24, 96}, kU, true, true, "matrix", kNone, "float32"},
    {"matrix_bias",
     "4, 24",
     kU,
     {24, 17},
     kI,
     true,
     false,
     "matrix",
     "%s = Add(%y, %b)\n%z = Gelu(%s)"},
    {"matrix_residual",
     "4, 24",
     kU,
     {24, 17},
     kI,
     true,
     false,
     "matrix",
     "%s = Add(%y, %r)\n%z = Relu(%s)",
     "uint8",
     kProduct,
     {},
     "4, 17"},
    {"matrix_residual_is_its_own_data",
     "7, 24",
     kU,
     {24, 24},
     kI,
     true,
     false,
     "matrix",
     "%z = Add(%y, %xf)",
     "float32",
     kValueAndProduct},
    {"matrix_one_row", "1, 64", kU, {64, 100}, kI, true, false, "matrix", kNone},
    {"groups_fall_to_floats",
     "1, 8, 7, 6",
     kU,
     {8, 4, 3, 3},
     kI,
     true,
     false,
     kSame + ", group=2",
     kRelu,
     "uint8",
     {"cpu.dequantize", "cpu.conv", "cpu.quantize"}},
};

std::vector<StepCase> product_cases() {
  std::vector<StepCase> cases;
  for (const Product& p : kProducts) cases.push_back(product_case(p));
  return cases;
}

StepCase exact(const std::string& name, const std::string& text, const std::string& kernel,
               Values values = Values::kNormal) {
  StepCase c{name, kEdges + text, {kernel}};
  c.values = values;
  return c;
}

const std::string kInputs = "input %x : uint8[3, 5, 24]\ninput %zero : uint8[]\n";

const std::vector<StepCase> kExact = {
    exact("quantize", "input %x : float32[3, 37]\n%y = QuantizeLinear(%x, %xs, %xz)\noutput %y",
          "cpu.quantize"),
    exact("quantize_special",
          "input %x : float32[3, 37]\n%y = QuantizeLinear(%x, %xs, %xn)\noutput %y", "cpu.quantize",
          Values::kSpecial),
    exact("quantize_channels",
          "input %x : float32[2, 3, 19]\nconst %s = float32[3] {0.01, 0.2, 3.0}\n"
          "const %z = int8[3] {1, -2, 3}\n%y = QuantizeLinear(%x, %s, %z) {axis=1}\noutput %y",
          "cpu.quantize"),
    exact("quantize_last_axis",
          "input %x : float32[40, 3]\nconst %s = float32[3] {0.01, 0.2, 3.0}\n"
          "%y = QuantizeLinear(%x, %s) {axis=-1}\noutput %y",
          "cpu.quantize"),
    exact("dequantize", "input %x : int8[3, 37]\n%y = DequantizeLinear(%x, %xs, %xn)\noutput %y",
          "cpu.dequantize"),
    exact("dequantize_channels",
          "input %x : uint8[2, 3, 19]\nconst %s = float32[3] {0.01, 0.2, 3.0}\n"
          "const %z = uint8[3] {1, 255, 3}\n%y = DequantizeLinear(%x, %s, %z) {axis=1}\noutput %y",
          "cpu.dequantize"),
    exact("quantized_add",
          "input %a : uint8[2, 37]\ninput %b : int8[2, 37]\n"
          "%af = DequantizeLinear(%a, %xs, %xz)\n%bf = DequantizeLinear(%b, %ys, %yn)\n"
          "%s = Add(%af, %bf)\n%r = Relu(%s)\n%y = QuantizeLinear(%r, %ys, %yz)\noutput %y",
          "cpu.pointwise"),
    exact("quantized_special",
          "input %a : float32[9, 37]\ninput %b : int8[9, 37]\n"
          "%bf = DequantizeLinear(%b, %ys, %yn)\n%s = Mul(%a, %bf)\n"
          "%y = QuantizeLinear(%s, %ys, %yz)\noutput %y",
          "cpu.pointwise", Values::kSpecial),
    exact("dynamic_quantize",
          "input %x : float32[30, 1111]\n%y, %s, %z = DynamicQuantizeLinear(%x)\noutput %y\n"
          "output %s\noutput %z",
          "cpu.dynamic_quantize"),
    exact("dynamic_quantize_nothing",
          "input %x : float32[0]\n%y, %s, %z = DynamicQuantizeLinear(%x)\noutput %y\noutput "
          "%s\noutput %z",
          "cpu.dynamic_quantize"),
    exact("mat_mul_integer",
          kInputs + random_constant("w", DType::kI8, {24, 70}, -128, 127) +
              "%y = MatMulInteger(%x, %w, %zero)\noutput %y",
          "cpu.byte_product"),
    exact("mat_mul_integer_zeros",
          kInputs + random_constant("w", DType::kU8, {24, 70}, 0, 255) +
              random_constant("z", DType::kU8, {70}, 0, 255) +
              "%y = MatMulInteger(%x, %w, %zero, %z)\noutput %y",
          "cpu.byte_product"),
    exact("mat_mul_integer_signed",
          "input %x : int8[7, 13]\n" + random_constant("w", DType::kI8, {13, 5}, -128, 127) +
              "%y = MatMulInteger(%x, %w, %xn)\noutput %y",
          "cpu.byte_product"),
    exact("conv_integer",
          "input %x : uint8[2, 3, 8, 9]\ninput %zero : uint8[]\n" +
              random_constant("w", DType::kI8, {8, 3, 3, 3}, -128, 127) +
              "%y = ConvInteger(%x, %w, %zero) {pads=[1, 1, 1, 1], strides=[1, 2]}\noutput %y",
          "cpu.byte_product"),
};

StepCase apart_by_one(const std::string& name, const std::string& text) {
  StepCase c = exact(name, text, "cpu.byte_product");
  c.apart = 1;
  return c;
}

const std::vector<StepCase> kQLinear = {
    apart_by_one("qlinear_conv",
                 "input %x : uint8[2, 6, 8, 9]\n" +
                     random_constant("w", DType::kI8, {20, 6, 3, 3}, -128, 127) +
                     random_constant("b", DType::kI32, {20}, -3000, 3000) +
                     "const %ws = float32[] {0.021}\nconst %wz = int8[] {0}\n"
                     "%y = QLinearConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %b) {pads=[1, 1, 1, "
                     "1]}\noutput %y"),
    apart_by_one("qlinear_mat_mul",
                 "input %x : uint8[4, 24]\n" + random_constant("w", DType::kU8, {24, 33}, 0, 255) +
                     "const %ws = float32[] {0.021}\nconst %wz = uint8[] {127}\n"
                     "%y = QLinearMatMul(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz)\noutput %y"),
};

class QuantizedSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(QuantizedSteps, AgreeWithReference) { check_steps(GetParam()); }
// Sums of 150,000 bytes times 127 leave 32 bits: a product of floats.
TEST(QuantizedProduct, LongSumsStayFloats) {
  check_steps({"long_sums",
               "input %x : uint8[2, 150000]\nconst %s = float32[] {0.5}\n"
               "const %w = int8[150000, 3] splat 127\n%xf = DequantizeLinear(%x, %s)\n"
               "%wf = DequantizeLinear(%w, %s)\n%y = MatMul(%xf, %wf)\noutput %y",
               {"cpu.dequantize", "cpu.gemm"}});
}

INSTANTIATE_TEST_SUITE_P(Products, QuantizedSteps, ::testing::ValuesIn(product_cases()),
                         step_case_name);
INSTANTIATE_TEST_SUITE_P(Exact, QuantizedSteps, ::testing::ValuesIn(kExact), step_case_name);
INSTANTIATE_TEST_SUITE_P(QLinear, QuantizedSteps, ::testing::ValuesIn(kQLinear), step_case_name);

}  // namespace
}  // namespace planish::test
