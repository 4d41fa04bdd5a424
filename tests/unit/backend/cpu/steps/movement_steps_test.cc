// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

// One node over %x, whose shape is "2, 3, 4" and the like.
StepCase unary(const std::string& name, const std::string& kernel, const std::string& shape,
               const std::string& node, const std::string& type = "float32",
               const std::vector<Dims>& runs = {}) {
  StepCase c{name, concat("input %x : ", type, "[", shape, "]\n", node, "\noutput %y"), {kernel}};
  for (const Dims& dims : runs) c.runs.push_back({dims});
  return c;
}

const std::string kPads =
    "const %p = int64[8] {0, 0, 2, 1, 0, 0, 3, 2}\nconst %v = float32[] {1.5}\n";

const std::vector<StepCase> kMoves = {
    unary("transpose_planes_to_pixels", "cpu.transpose", "2, 3, 9, 11",
          "%y = Transpose(%x) {perm=[0, 2, 3, 1]}"),
    unary("transpose_pixels_to_planes", "cpu.transpose", "2, 5, 70, 3",
          "%y = Transpose(%x) {perm=[0, 3, 1, 2]}"),
    unary("transpose_two", "cpu.transpose", "2, 67", "%y = Transpose(%x)"),
    unary("transpose_four", "cpu.transpose", "65, 4", "%y = Transpose(%x)"),
    unary("transpose_large", "cpu.transpose", "3, 65, 67", "%y = Transpose(%x) {perm=[0, 2, 1]}"),
    unary("transpose_bytes", "cpu.transpose", "5, 3, 7", "%y = Transpose(%x)", "uint8"),
    unary("transpose_longs", "cpu.transpose", "5, 3, 7", "%y = Transpose(%x)", "int64"),
    unary("transpose_halves", "cpu.transpose", "5, 17, 7", "%y = Transpose(%x)", "float16"),
    unary("transpose_empty", "cpu.transpose", "5, 0, 7", "%y = Transpose(%x)"),
    unary("transpose_dynamic", "cpu.transpose", "n, 3, h, w",
          "%y = Transpose(%x) {perm=[0, 2, 3, 1]}", "float32",
          {{1, 3, 4, 5}, {2, 3, 1, 1}, {0, 3, 2, 2}, {1, 3, 40, 33}}),
    unary("pad_constant", "cpu.pad", "2, 3, 4, 5", kPads + "%y = Pad(%x, %p, %v)"),
    unary("pad_zero_all_axes", "cpu.pad", "2, 3, 4",
          "const %p = int64[6] {1, 0, 2, 0, 2, 1}\n%y = Pad(%x, %p)"),
    unary("pad_reflect", "cpu.pad", "2, 3, 4, 5", kPads + "%y = Pad(%x, %p) {mode=\"reflect\"}"),
    unary("pad_edge", "cpu.pad", "2, 3, 4, 5", kPads + "%y = Pad(%x, %p) {mode=\"edge\"}"),
    unary("pad_wrap", "cpu.pad", "2, 3, 4, 5", kPads + "%y = Pad(%x, %p) {mode=\"wrap\"}"),
    unary("pad_channels_last", "cpu.pad", "2, 4, 5, 3",
          "const %p = int64[8] {0, 2, 1, 0, 0, 3, 2, 0}\n%y = Pad(%x, %p) {mode=\"reflect\"}"),
    unary("pad_beyond_the_input", "cpu.pad", "3, 2",
          "const %p = int64[4] {5, 7, 9, 4}\n%y = Pad(%x, %p) {mode=\"reflect\"}"),
    unary("pad_wraps_many_times", "cpu.pad", "3, 2",
          "const %p = int64[4] {5, 7, 9, 4}\n%y = Pad(%x, %p) {mode=\"wrap\"}"),
    unary("pad_one_element", "cpu.pad", "1, 1",
          "const %p = int64[4] {1, 2, 0, 1}\n%y = Pad(%x, %p) {mode=\"reflect\"}"),
    unary("pad_cuts", "cpu.pad", "5, 6", "const %p = int64[4] {-1, 2, -2, -3}\n%y = Pad(%x, %p)"),
    unary("pad_cuts_and_reflects", "cpu.pad", "5, 6",
          "const %p = int64[4] {-1, 2, 3, -3}\n%y = Pad(%x, %p) {mode=\"reflect\"}"),
    unary("pad_empty_input", "cpu.pad", "0, 3",
          "const %p = int64[4] {2, 1, 0, 1}\n%y = Pad(%x, %p)"),
    unary("pad_bytes", "cpu.pad", "2, 3",
          "const %p = int64[4] {1, 0, 0, 2}\nconst %v = uint8[] {7}\n%y = Pad(%x, %p, %v)",
          "uint8"),
    unary("pad_axes", "cpu.pad", "2, 3, 4",
          "const %p = int64[2] {1, 2}\nconst %a = int64[1] {-2}\n%y = Pad(%x, %p, _, %a)"),
    unary("pad_dynamic", "cpu.pad", "n, c",
          "const %p = int64[4] {0, 2, 1, 1}\n%y = Pad(%x, %p) {mode=\"edge\"}", "float32",
          {{3, 4}, {1, 1}, {2, 9}}),
    unary("resize", "cpu.resize", "1, 2, 10, 9",
          "const %s = float32[4] {1, 1, 2, 1.5}\n%y = Resize(%x, _, %s) {mode=\"linear\"}"),
    // An axis that keeps its size is moved by a fraction all the same.
    unary("resize_by_a_fraction", "cpu.resize", "1, 2, 10, 10",
          "const %s = float32[4] {1, 1, 2, 1.05}\n%y = Resize(%x, _, %s) {mode=\"linear\"}"),
    unary("resize_channels_by_a_fraction", "ref", "1, 10, 4, 4",
          "const %s = float32[4] {1, 1.05, 2, 2}\n%y = Resize(%x, _, %s) {mode=\"linear\"}"),
    unary("depth_to_space", "cpu.blocks", "2, 12, 3, 5", "%y = DepthToSpace(%x) {blocksize=2}"),
    unary("depth_to_space_channels_first", "cpu.blocks", "1, 27, 4, 5",
          "%y = DepthToSpace(%x) {blocksize=3, mode=\"CRD\"}"),
    unary("space_to_depth", "cpu.blocks", "2, 3, 6, 8", "%y = SpaceToDepth(%x) {blocksize=2}"),
    unary("space_to_depth_bytes", "cpu.blocks", "1, 3, 6, 9", "%y = SpaceToDepth(%x) {blocksize=3}",
          "uint8"),
    {"concat",
     "input %a : float32[2, 3, 5]\ninput %b : float32[2, 1, 5]\ninput %c : float32[2, 0, 5]\n"
     "%y = Concat(%a, %b, %c) {axis=-2}\noutput %y",
     {"cpu.concat"}},
    {"concat_dynamic",
     "input %a : float32[n, 3]\ninput %b : float32[m, 3]\n%y = Concat(%a, %b) {axis=0}\noutput %y",
     {"cpu.concat"},
     {{{2, 3}, {1, 3}}, {{0, 3}, {4, 3}}, {{5, 3}, {5, 3}}}},
    {"split",
     "input %x : float32[4, 7]\nconst %s = int64[3] {3, 0, 4}\n%a, %b, %c = Split(%x, %s) "
     "{axis=1}\noutput %a\noutput %b\noutput %c",
     {"cpu.split"}},
    unary("slice", "cpu.slice", "6, 7",
          "const %s = int64[2] {4, 1}\nconst %e = int64[2] {-100, 6}\nconst %a = int64[2] {0, 1}\n"
          "const %t = int64[2] {-2, 2}\n%y = Slice(%x, %s, %e, %a, %t)"),
    unary("expand", "cpu.expand", "3, 1, 4",
          "const %s = int64[4] {2, 1, 5, 1}\n%y = Expand(%x, %s)"),
    {"gather",
     "input %x : float32[2, 5, 3]\ninput %i : int64[4]\n%y = Gather(%x, %i) {axis=1}\noutput %y",
     {"cpu.gather"}},
    {"gather_scalar_int32",
     "input %x : uint8[5, 3]\ninput %i : int32[]\n%y = Gather(%x, %i)\noutput %y",
     {"cpu.gather"}},
    {"dims",
     "input %x : float32[n, 3, h]\ninput %z : float32[1]\n%s = Shape(%x)\n%y = Expand(%z, %s)\n"
     "output %y\noutput %s",
     {"cpu.dims", "cpu.expand"},
     {{{2, 3, 4}, {1}}, {{1, 3, 9}, {1}}, {{0, 3, 2}, {1}}}},
};

StepCase arg(const std::string& name, const std::string& shape, const std::string& attributes,
             Values values = Values::kNormal, const std::string& op = "ArgMax") {
  StepCase c =
      unary(name, "cpu.arg_extreme", shape, concat("%y = ", op, "(%x) {", attributes, "}"));
  c.values = values;
  return c;
}

const std::vector<StepCase> kArgs = {
    arg("rows", "5, 70", "axis=-1"),
    arg("short_rows", "5, 7", "axis=1, keepdims=0"),
    arg("columns", "3, 21, 37", "axis=1"),
    arg("one_column_wide", "9, 2", "axis=0"),
    arg("one_element", "1", "axis=0"),
    arg("no_rows", "0, 4", "axis=1"),
    arg("special_rows", "40, 70", "axis=1", Values::kSpecial),
    arg("special_last_rows", "40, 70", "axis=1, select_last_index=1", Values::kSpecial),
    arg("special_columns", "5, 9, 35", "axis=1", Values::kSpecial),
    arg("special_last_columns", "5, 9, 35", "axis=1, select_last_index=1", Values::kSpecial),
    arg("min_special_rows", "40, 70", "axis=1", Values::kSpecial, "ArgMin"),
    arg("min_special_columns", "5, 9, 35", "axis=1, select_last_index=1", Values::kSpecial,
        "ArgMin"),
};

class MovementSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(MovementSteps, AgreeWithReference) { check_steps(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Moves, MovementSteps, ::testing::ValuesIn(kMoves), step_case_name);
INSTANTIATE_TEST_SUITE_P(Args, MovementSteps, ::testing::ValuesIn(kArgs), step_case_name);

}  // namespace
}  // namespace planish::test
