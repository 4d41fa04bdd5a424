// SPDX-License-Identifier: Apache-2.0
// planish.ConvNhwc and planish.ConvTransposeNhwc: as a product where every tap sees one pixel,
// depthwise where every channel has filters of its own, else as an implicit product.
#include <cstring>

#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/gemm_launch.h"
#include "backend/cuda/compile/mma_choice.h"
#include "backend/cuda/compile/pointwise_launch.h"
#include "backend/cuda/compile/root_output.h"
#include "backend/cuda/compile/windows.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

// The convolution as three spatial axes, absent ones of size 1.
struct Layer {
  const ir::Value* x = nullptr;  // of the outer graph
  // What the convolution reads: x, or, of an image that lies channels first, what a cast and a
  // transpose make of it.
  const ir::Value* read = nullptr;
  Tensor w;                         // [filters, channels of a group, spatial...]
  const ir::Value* bias = nullptr;  // of the root
  Shape in, out;
  int64_t groups = 1;
  Windows windows;

  int64_t filters() const { return w.dim(0); }
  int64_t channels() const { return w.dim(1); }
  int64_t taps() const { return windows.kernel[0] * windows.kernel[1] * windows.kernel[2]; }
  bool is_transposed = false;
  bool is_packed = false;  // `read` is made of x on the way
};

// Filters of a transposed convolution, [channels, filters of a group, taps], as those of the
// convolution that it is: [filters, channels of a group, taps in reverse order].
Tensor turned_filters(const Tensor& w, int64_t groups) {
  const int64_t channels = w.dim(0) / groups, filters = w.dim(1);
  Dims dims = w.dims();
  dims[0] = filters * groups;
  dims[1] = channels;
  Tensor out(w.dtype(), dims);
  const auto bytes = static_cast<size_t>(dtype_bits(w.dtype()) / 8);
  const int64_t taps = w.count() / (w.dim(0) * filters);
  const std::byte* from = w.data();
  for (int64_t c = 0; c < w.dim(0); ++c)
    for (int64_t f = 0; f < filters; ++f)
      for (int64_t t = 0; t < taps; ++t, from += bytes) {
        const int64_t filter = c / channels * filters + f;
        const int64_t at = (filter * channels + c % channels) * taps + taps - 1 - t;
        std::memcpy(out.data() + static_cast<size_t>(at) * bytes, from, bytes);
      }
  return out;
}

std::optional<Layer> layer_of(const ir::Node& node) {
  const ir::Node& root = root_of(node);
  Layer layer;
  layer.read = root.input(0);
  const ir::Value* x = layer.read;
  while (node.subgraph("body") != nullptr && x->producer() != nullptr) {
    layer.is_transposed = layer.is_transposed || x->producer()->op() == "Transpose";
    x = x->producer()->input(0);
  }
  layer.is_packed = x != layer.read;
  layer.x = outer_value(node, x);
  const ir::Value* w = outer_value(node, root.input(1));
  if (!is_real(layer.read) || !w->is_constant() ||
      w->constant().dtype() != layer.read->type().dtype)
    return std::nullopt;
  layer.groups = root.attributes().integer("group", 1);
  const bool is_turned = root.op() == "planish.ConvTransposeNhwc";
  layer.bias = root.input(2);
  layer.in = shape_of(layer.read);
  layer.out = shape_of(root.output());
  const size_t spatial = layer.in.size() - 2;
  const Tensor& given = w->constant();
  if (given.count() == 0 || spatial < 1 || spatial > 3 || given.dims().size() != spatial + 2 ||
      layer.groups < 1 || given.dim(0) % layer.groups != 0)
    return std::nullopt;
  layer.w = is_turned ? turned_filters(given, layer.groups) : given;
  const Attributes& a = root.attributes();
  const Dims kernel(given.dims().begin() + 2, given.dims().end());
  const auto windows = is_turned ? transposed_windows_of(a, kernel, layer.in, layer.out)
                                 : windows_of(a, kernel, layer.in, layer.out);
  if (!windows) return std::nullopt;
  layer.windows = *windows;
  return layer;
}

// Copies filters to [filters][taps][channels], channels padded to `channels` with zeros and each
// filter to `row` elements.
Tensor packed_filters(const Layer& layer, int64_t channels, int64_t row) {
  const auto bytes = static_cast<size_t>(dtype_bits(layer.w.dtype()) / 8);
  Tensor out(layer.w.dtype(), {layer.filters(), row});
  std::memset(out.data(), 0, out.bytes());
  const std::byte* from = layer.w.data();
  for (int64_t f = 0; f < layer.filters(); ++f)
    for (int64_t c = 0; c < layer.channels(); ++c)
      for (int64_t t = 0; t < layer.taps(); ++t, from += bytes)
        std::memcpy(out.data() + static_cast<size_t>(f * row + t * channels + c) * bytes, from,
                    bytes);
  return out;
}

int packed_filters_input(StepBuilder& step, const Layer& layer, int64_t channels, int64_t row) {
  return step.input(layer.w, concat("filters ", channels, " ", row),
                    [&] { return packed_filters(layer, channels, row); });
}

TailShape tail_shape(const Layer& layer) {
  return {.shape = layer.out, .row = 1, .column = layer.out.size() - 1};
}

// --- every tap sees one pixel: a product over pixels
// -----------------------------------------------

std::optional<ref::StepChoice> lower_pixelwise(const ir::Node& node, Lowering& lowering) {
  const auto layer = layer_of(node);
  if (!layer || layer->is_packed || layer->groups != 1 || layer->taps() != 1) return std::nullopt;
  for (int i = 0; i < 3; ++i)
    if (layer->windows.stride[i] != 1 || layer->windows.pad[i] != 0 ||
        layer->windows.pad_end[i] != 0)
      return std::nullopt;
  const DType type = layer->read->type().dtype;
  const TailShape shape{.shape = layer->out, .row = 0, .column = layer->out.size() - 1};
  // A tail that reads by image is the implicit product's.
  if (has_mma(type, lowering) && !build_tail(node, layer->bias, shape)) return std::nullopt;
  const int64_t vector = 16 / (dtype_bits(type) / 8);
  const int64_t row = (layer->channels() + vector - 1) / vector * vector;
  StepBuilder step(lowering);
  GemmWork work{.type = type};
  work.a = step.input(layer->x);
  work.b = packed_filters_input(step, *layer, layer->channels(), row);
  work.is_constant_b = work.is_b_transposed = true;
  work.m = product(layer->out, 0, layer->out.size() - 1);
  work.n = layer->filters();
  work.k = layer->channels();
  work.stride_a = work.k;
  work.stride_b = row;
  work.stride_c = work.n;
  const RootOutput output(node, layer->bias, shape, step);
  const std::string tactic = add_gemm(step, work, output, lowering);
  if (tactic.empty() || !output.finish(step)) return std::nullopt;
  return step.finish(concat("1x1 convolution as a product, ", tactic));
}

// --- every channel has a filter of its own
// ---------------------------------------------------------

std::optional<ref::StepChoice> lower_depthwise(const ir::Node& node, Lowering& lowering) {
  const auto layer = layer_of(node);
  if (!layer || layer->is_packed || layer->channels() != 1 || layer->groups != layer->filters() ||
      layer->groups == 1 || !(spatial_size(layer->in, 0) == Dim(1)) ||
      !(spatial_size(layer->out, 0) == Dim(1)) || layer->windows.kernel[0] != 1 ||
      layer->windows.pad[0] != 0 || layer->taps() > 128)
    return std::nullopt;
  const DType type = layer->read->type().dtype;
  const int64_t channels = layer->groups;
  // Taps outermost.
  const auto bytes = static_cast<size_t>(dtype_bits(type) / 8);
  Tensor w(type, {layer->taps(), channels});
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < layer->taps(); ++t)
      std::memcpy(w.data() + static_cast<size_t>(t * channels + c) * bytes,
                  layer->w.data() + static_cast<size_t>(c * layer->taps() + t) * bytes, bytes);
  StepBuilder step(lowering);
  require_windows(step, layer->windows, layer->in);
  const RootOutput output(node, layer->bias, tail_shape(*layer), step);
  const int vector = std::min(8, vector_of(type, {Dim(channels)}));
  const int pixels = layer->windows.stride[2] == 1 ? 4 : 2;
  constexpr int kThreads = 128;
  const auto sized = [&](const char* name, const int64_t* v) {
    return concat(name, "H = ", v[1], ", ", name, "W = ", v[2]);
  };
  Launch launch(concat(
      "#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"conv_depthwise.cuh\"\n", output.text(),
      "struct Config {\n  using Input = planish::", element_name(type),
      ";\n  using Output = ", output.element(), ";\n  using Tail = ", output.tail_name(),
      ";\n  static constexpr int kVector = ", vector, ", kPixels = ", pixels,
      ";\n  static constexpr int ", sized("kKernel", layer->windows.kernel), ", ",
      sized("kStride", layer->windows.stride), ", ", sized("kDilation", layer->windows.dilation),
      ", ", sized("kPad", layer->windows.pad), ";\n};\nextern \"C\" PLANISH_KERNEL(", kThreads,
      ", 1) void entry(PLANISH_PARAMS(planish::ConvDepthwiseParams) p) {\n"
      "  planish::conv_depthwise_kernel<Config>(p);\n}\n"));
  launch.in(step.input(layer->x)).in(step.input(std::move(w)));
  output.add_address(launch);
  const auto image = [](const Shape& s) { return product(s, 1, s.size()); };
  launch.i64_dim(step.dim(image(layer->in))).i64(channels);
  launch.i64_dim(step.dim(image(layer->out))).i64(channels).i64(channels).i32(channels);
  const Dim out_height = spatial_size(layer->out, 1), out_width = spatial_size(layer->out, 2);
  launch.i32_dim(step.dim(spatial_size(layer->in, 1)))
      .i32_dim(step.dim(spatial_size(layer->in, 2)));
  launch.i32_dim(step.dim(out_height)).i32_dim(step.dim(out_width));
  const Dim work = out_height * out_width.ceil_div(pixels) * Dim((channels + vector - 1) / vector);
  launch.i32_dim(step.dim(layer->out[0]));
  launch.i32_dim(step.dim(work)).i32_dim(step.dim(out_height * out_width));
  output.add_operands(step, launch);
  launch.grid(step.dim(work.ceil_div(kThreads)), -1, step.dim(Dim::min(layer->out[0], 65535)));
  launch.threads(kThreads).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish("depthwise, one pass over memory");
}

// --- the implicit product
// --------------------------------------------------------------------------

std::string baked(const Dim& dim) {
  return dim.is_constant() && dim.value() > 0 ? std::to_string(dim.value()) : "0";
}

std::string axes_text(const char* name, const std::string& d, const std::string& h,
                      const std::string& w) {
  return concat("  static constexpr int ", name, "D = ", d, ", ", name, "H = ", h, ", ", name,
                "W = ", w, ";\n");
}
std::string axes_text(const char* name, const int64_t* v) {
  return axes_text(name, std::to_string(v[0]), std::to_string(v[1]), std::to_string(v[2]));
}

std::string config_text(const Layer& layer, const RootOutput& output, const MmaProblem& problem,
                        const MmaChoice& choice, int64_t channels, int vector_a) {
  const auto size = [](const Shape& s, size_t slot) { return baked(spatial_size(s, slot)); };
  const int vector_b = 16 / (dtype_bits(problem.type) / 8);
  return concat(
      "struct Config {\n  using Input = planish::", element_name(problem.type),
      ";\n  using Output = ", output.element(), ";\n  using Tail = ", output.tail_name(), ";\n",
      choice.text(problem), "  static constexpr bool kMajorKA = true, kMajorKB = true;\n",
      "  static constexpr int kVectorA = ", vector_a, ", kVectorB = ", vector_b,
      ", kChannels = ", channels, ";\n", axes_text("kKernel", layer.windows.kernel),
      axes_text("kStride", layer.windows.stride), axes_text("kDilation", layer.windows.dilation),
      axes_text("kPad", layer.windows.pad), axes_text("kUp", layer.windows.up),
      "  static constexpr int kDepth = ", size(layer.in, 0), ", kHeight = ", size(layer.in, 1),
      ", kWidth = ", size(layer.in, 2),
      ";\n  static constexpr int kOutDepth = ", size(layer.out, 0),
      ", kOutHeight = ", size(layer.out, 1), ", kOutWidth = ", size(layer.out, 2), ";\n};\n");
}

// The image with its channels padded to `channels` and behind the pixels, in scratch memory; the
// expression of its place.
int add_packed_image(StepBuilder& step, const Layer& layer, int64_t channels) {
  const DType type = layer.read->type().dtype;
  const int64_t own = layer.channels();
  const Dim pixels = product(layer.in, 0, layer.in.size() - 1);
  const Dim image_pixels = product(layer.in, 1, layer.in.size() - 1);
  const int place = step.scratch(pixels * (channels * (dtype_bits(type) / 8)));
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"pad_channels.cuh\"\n"
             "struct Config {\n  using Input = ",
             element_text(layer.x), ";\n  using Output = planish::", element_name(type),
             ";\n  static constexpr int kChannels = ", own, ", kPadded = ", channels,
             ";\n};\nextern \"C\" PLANISH_KERNEL(256, 1) void "
             "entry(PLANISH_PARAMS(planish::PadChannelsParams) p) {\n"
             "  planish::pad_channels_kernel<Config>(p);\n}\n"));
  launch.in(step.input(layer.x)).scratch(place).i64_dim(step.dim(pixels));
  if (layer.is_transposed)
    launch.i64_dim(step.dim(image_pixels)).i64(1);
  else
    launch.i64(1).i64(own);
  launch.i64_dim(step.dim(image_pixels)).i64_dim(step.dim(image_pixels * own));
  launch.grid(step.dim(pixels.ceil_div(256))).threads(256).overlaps();
  step.add(std::move(launch));
  return place;
}

std::optional<ref::StepChoice> lower_implicit(const ir::Node& node, Lowering& lowering) {
  const auto layer = layer_of(node);
  if (!layer) return std::nullopt;
  const DType type = layer->read->type().dtype;
  if (!has_mma(type, lowering) || layer->filters() % layer->groups != 0) return std::nullopt;
  const int64_t bytes = dtype_bits(type) / 8;
  const int64_t whole = 16 / bytes;
  if (layer->is_packed && (layer->groups != 1 || layer->channels() > whole)) return std::nullopt;
  // Few channels are padded to a vector that can be copied in the background.
  const bool pads = layer->is_packed || (layer->groups == 1 && layer->channels() < whole &&
                                         layer->channels() * bytes % 8 != 0);
  const int64_t channels =
      pads ? (layer->channels() * bytes <= 8 ? 8 / bytes : whole) : layer->channels();
  const int vector_a = vector_of(type, {Dim(channels)});
  const int64_t k = layer->taps() * channels;
  const int64_t row = (k + whole - 1) / whole * whole;
  const Dim pixels = product(layer->out, 0, layer->out.size() - 1);
  const int64_t filters = layer->filters() / layer->groups;
  const MmaProblem problem{.m = typical(pixels, lowering),
                           .n = filters,
                           .k = k,
                           .batches = layer->groups,
                           .type = type,
                           .is_exact = type == DType::kF32 && !lowering.allow_tf32,
                           .may_split = pixels.is_constant()};
  const MmaChoice c = choose_mma(problem, lowering);
  StepBuilder step(lowering);
  require_windows(step, layer->windows, layer->in);
  const RootOutput output(node, layer->bias, tail_shape(*layer), step);
  const int image = pads ? add_packed_image(step, *layer, channels) : -1;
  const int64_t pixel = channels * layer->groups;
  Launch launch(concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"conv.cuh\"\n", output.text(),
                       config_text(*layer, output, problem, c, channels, vector_a), "extern \"C\" ",
                       c.entry(),
                       " void entry(PLANISH_PARAMS(planish::ConvParams) p) {\n"
                       "  planish::conv_kernel<Config>(p);\n}\n"));
  if (pads)
    launch.scratch(image);
  else
    launch.in(step.input(layer->x));
  launch.in(packed_filters_input(step, *layer, channels, row));
  output.add_address(launch);
  const Dim tiles = pixels.ceil_div(c.tile_m) * Dim((filters + c.tile_n - 1) / c.tile_n);
  if (c.has_parts())
    launch.scratch(step.scratch(tiles * (layer->groups * 4 * c.tile_m * c.tile_n * c.splits)))
        .zeros();
  else
    launch.i64(0).i64(0);
  const size_t last = layer->in.size() - 1;
  launch.i64_dim(step.dim(product(layer->in, 1, last) * pixel)).i64(pixel);
  launch.i64_dim(step.dim(product(layer->out, 1, last) * layer->filters())).i64(layer->filters());
  launch.i64(row).i32_dim(step.dim(layer->out[0])).i32(filters);
  for (const Shape* shape : {&layer->in, &layer->out})
    for (size_t slot = 0; slot < 3; ++slot) launch.i32_dim(step.dim(spatial_size(*shape, slot)));
  launch.i32(c.splits > 1 ? c.k_split : k).i32_dim(step.dim(pixels));
  launch.i32_dim(step.dim(product(layer->in, 1, last))).i32(0);
  output.add_operands(step, launch);
  launch.grid(step.dim(tiles), step.dim(c.splits), step.dim(layer->groups));
  launch.threads(c.threads()).shared(c.shared_bytes(static_cast<int>(bytes))).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish(concat("implicit product, ", c.name()));
}

const RegisterLowering kPixelwise("planish.ConvNhwc", lower_pixelwise, 0);
const RegisterLowering kDepthwise("planish.ConvNhwc", lower_depthwise, 1);
const RegisterLowering kImplicit("planish.ConvNhwc", lower_implicit, 2);
const RegisterLowering kTurned("planish.ConvTransposeNhwc", lower_implicit);

}  // namespace
}  // namespace planish::cuda
