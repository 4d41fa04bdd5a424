// SPDX-License-Identifier: Apache-2.0
// MatMulNBits: a product with a constant matrix of 2, 4 or 8 bits, quantised in blocks along K.
//
// B is uint8 [N, blocks, bytes of a block]: row by row the K weights of one column of the product,
// low bits first, which is ONNX's packing of a [N, K] tensor. So B is that tensor under another
// type, without a copy.
#include "base/checked.h"
#include "base/str.h"
#include "import/onnx/ops/microsoft/blocks.h"
#include "tensor/elements.h"

namespace planish::onnx::microsoft_mat_mul_nbits {
namespace {

enum Input { kA, kB, kScales, kZeroPoints, kGroups, kBias };

struct Layout {
  int64_t k, n, block, blocks;
  DType type;
};

Layout read_layout(NodeContext& c) {
  const Attributes& a = c.attributes();
  Layout out{.k = a.integer("K"), .n = a.integer("N"), .block = a.integer("block_size")};
  const int64_t bits = a.integer("bits", 4);
  if (bits != 2 && bits != 4 && bits != 8) c.unsupported(concat("weights of ", bits, " bits"));
  out.type = bits == 2 ? DType::kU2 : bits == 4 ? DType::kU4 : DType::kU8;
  const int64_t most = int64_t{1} << 31;
  c.require(out.k > 0 && out.k < most && out.n > 0 && out.n < most && out.block >= 8 &&
                out.block < most && out.block % 8 == 0,
            "K, N and block_size must be positive, block_size a multiple of 8");
  out.blocks = (out.k + out.block - 1) / out.block;
  return out;
}

Tensor constant_input(NodeContext& c, int i, const char* what) {
  const Tensor* tensor = NodeContext::constant(c.required(i));
  if (tensor == nullptr) c.unsupported(concat(what, " must be constant"));
  return *tensor;
}

// The same bytes as another tensor.
Tensor reinterpret(NodeContext& c, const Tensor& bytes, DType type, Dims dims, const char* what) {
  const size_t expected = dtype_bytes(type, element_count(dims));
  if (bytes.dtype() != DType::kU8 || bytes.bytes() != expected)
    c.fail(concat(what, ": expected ", expected, " bytes of uint8, got ", dtype_name(bytes.dtype()),
                  " ", dims_to_string(bytes.dims())));
  return Tensor(type, std::move(dims), const_cast<std::byte*>(bytes.data()), expected,
                bytes.owner());
}

// Zero points [N, blocks]. Each row is padded to whole bytes; the default is the middle of the
// range.
Tensor zero_points(NodeContext& c, const Layout& l) {
  const int bits = dtype_bits(l.type);
  Tensor out(l.type, {l.n, l.blocks});
  const auto count = static_cast<size_t>(out.count());
  if (c.input(kZeroPoints) == nullptr) {
    pack(std::vector<uint8_t>(count, static_cast<uint8_t>(1 << (bits - 1))), out);
    return out;
  }
  const int64_t per_byte = 8 / bits, row = (l.blocks + per_byte - 1) / per_byte;
  const Tensor padded = reinterpret(c, constant_input(c, kZeroPoints, "zero points"), l.type,
                                    {l.n, row * per_byte}, "zero points");
  const std::vector<uint8_t> spread = unpack(padded);
  std::vector<uint8_t> codes;
  codes.reserve(count);
  for (int64_t r = 0; r < l.n; ++r)
    for (int64_t b = 0; b < l.blocks; ++b)
      codes.push_back(spread[static_cast<size_t>(r * row * per_byte + b)]);
  pack(codes, out);
  return out;
}

void import_mat_mul_nbits(NodeContext& c) {
  refuse_input(c, kGroups, "g_idx");
  const Layout l = read_layout(c);
  const Tensor weights =
      reinterpret(c, constant_input(c, kB, "the weights"), l.type,
                  {l.n, checked_mul<int64_t>(l.blocks, l.block, "K")}, "the weights");
  ir::Value* scales =
      c.emit("Reshape", {c.required(kScales), c.constant_i64s({l.n, l.blocks}, "scales_shape")});
  ir::Value* table = c.emit(
      "DequantizeLinear",
      {c.constant_of(weights, "weights"), scales, c.constant_of(zero_points(c, l), "zero_points")},
      {{"axis", int64_t{1}}, {"block_size", l.block}});
  if (l.k != l.blocks * l.block) table = slice(c, table, 0, l.k, 1);
  ir::Value* y = c.emit("MatMul", {c.required(kA), transpose(c, table, {1, 0})});
  c.set_output(0, c.input(kBias) == nullptr ? y : c.emit("Add", {y, c.input(kBias)}));
}

const RegisterImporter kMatMulNBits("MatMulNBits", import_mat_mul_nbits, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_mat_mul_nbits
