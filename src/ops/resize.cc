// SPDX-License-Identifier: Apache-2.0
// Resize: samples a tensor at other sizes: nearest, linear or cubic, one axis after the other.
// https://onnx.ai/onnx/operators/onnx__Resize.html
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/saturate.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

enum class Mode : uint8_t { kNearest, kLinear, kCubic };
enum class Aspect : uint8_t { kStretch, kNotLarger, kNotSmaller };
enum class Coordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kNearestHalfPixel,
  kCropAndResize
};
enum class Nearest : uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil };

struct ResizeOptions {
  Mode mode = Mode::kNearest;
  Aspect aspect = Aspect::kStretch;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Nearest nearest = Nearest::kPreferFloor;
  bool antialias = false;
  bool exclude_outside = false;
  double cubic_a = -0.75;
  double extrapolation = 0;
};

template <class Context, class Enum>
Enum choice(const Context& c, const char* attribute, const char* fallback,
            std::initializer_list<std::pair<const char*, Enum>> choices) {
  const std::string text = c.attributes().text(attribute, fallback);
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names.emplace_back(name);
  }
  c.fail(concat(attribute, ": expected ", join(names, " or "), ", got \"", text, "\""),
         ErrorCode::kInvalidModel);
}

template <class Context>
ResizeOptions resize_options(const Context& c) {
  ResizeOptions o;
  o.mode = choice<Context, Mode>(
      c, "mode", "nearest",
      {{"nearest", Mode::kNearest}, {"linear", Mode::kLinear}, {"cubic", Mode::kCubic}});
  o.aspect = choice<Context, Aspect>(c, "keep_aspect_ratio_policy", "stretch",
                                     {{"stretch", Aspect::kStretch},
                                      {"not_larger", Aspect::kNotLarger},
                                      {"not_smaller", Aspect::kNotSmaller}});
  o.coordinates =
      choice<Context, Coordinates>(c, "coordinate_transformation_mode", "half_pixel",
                                   {{"half_pixel", Coordinates::kHalfPixel},
                                    {"half_pixel_symmetric", Coordinates::kHalfPixelSymmetric},
                                    {"pytorch_half_pixel", Coordinates::kPytorchHalfPixel},
                                    {"align_corners", Coordinates::kAlignCorners},
                                    {"asymmetric", Coordinates::kAsymmetric},
                                    {"tf_half_pixel_for_nn", Coordinates::kNearestHalfPixel},
                                    {"tf_crop_and_resize", Coordinates::kCropAndResize}});
  o.nearest = choice<Context, Nearest>(c, "nearest_mode", "round_prefer_floor",
                                       {{"round_prefer_floor", Nearest::kPreferFloor},
                                        {"round_prefer_ceil", Nearest::kPreferCeil},
                                        {"floor", Nearest::kFloor},
                                        {"ceil", Nearest::kCeil}});
  o.antialias = flag(c.attributes(), "antialias", false);
  o.exclude_outside = flag(c.attributes(), "exclude_outside", false);
  o.cubic_a = c.attributes().real("cubic_coeff_a", -0.75);
  o.extrapolation = c.attributes().real("extrapolation_value", 0);
  if (o.antialias && o.mode == Mode::kNearest)
    c.fail("antialias is for the modes linear and cubic", ErrorCode::kInvalidModel);
  return o;
}

template <class Context>
std::vector<int> resized_axes(const Context& c, int rank) {
  std::vector<int64_t> axes = c.attributes().integers("axes", std::vector<int64_t>());
  if (axes.empty()) {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  }
  return normalize_axes(c, axes, rank);
}

// ---- Output sizes ----

// floor(size * scale), as float32 has it; nullopt if it does not fit.
std::optional<int64_t> scaled_size(int64_t size, double scale) {
  const float out = std::floor(static_cast<float>(size) * static_cast<float>(scale));
  if (!(out >= 0 && out < 0x1p40F)) return std::nullopt;
  return static_cast<int64_t>(out);
}

// The same over a symbol, where the scale is a fraction of small integers.
Dim scaled_dim(InferContext& c, const Dim& size, double scale) {
  if (size.is_constant()) {
    const auto out = scaled_size(size.value(), scale);
    if (!out) c.fail(concat("scale ", scale, " of dimension ", size.value(), " is too large"));
    return *out;
  }
  for (int64_t divisor : {1, 2, 4, 8, 16}) {
    const double factor = scale * static_cast<double>(divisor);
    if (factor == std::floor(factor) && factor < 0x1p20)
      return (size * static_cast<int64_t>(factor)).floor_div(divisor);
  }
  return c.fresh_dim();
}

// One scale for all axes, which keeps the aspect ratio within `sizes`.
double common_scale(Aspect aspect, const std::vector<int64_t>& sizes,
                    const std::vector<int64_t>& dims) {
  double scale = aspect == Aspect::kNotLarger ? HUGE_VAL : 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double own = static_cast<double>(sizes[i]) / static_cast<double>(dims[i]);
    scale = aspect == Aspect::kNotLarger ? std::min(scale, own) : std::max(scale, own);
  }
  return scale;
}

bool is_given(const InferContext& c, int i) {
  // Older exporters give an empty vector for the input that they do not use.
  return c.has_input(i) && known_length(c, i) != 0;
}
bool is_given(const KernelContext& c, int i) { return c.has_input(i) && c.input(i).count() != 0; }

void apply_scales(InferContext& c, const std::vector<int>& axes, Shape& out) {
  if (known_length(c, 2).value_or(static_cast<int64_t>(axes.size())) !=
      static_cast<int64_t>(axes.size()))
    c.fail(concat("scales: expected ", axes.size(), " values, got ", *known_length(c, 2)));
  const Tensor* scales = c.constant(2);
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& dim = out[static_cast<size_t>(axes[i])];
    if (scales == nullptr) {
      dim = c.fresh_dim();
      continue;
    }
    const auto scale = element<double>(*scales, static_cast<int64_t>(i));
    if (!(scale > 0) || std::isinf(scale))
      c.fail(concat("scales: expected positive values, got ", scale));
    dim = scaled_dim(c, dim, scale);
  }
}

void apply_sizes(InferContext& c, const ResizeOptions& o, const std::vector<int>& axes,
                 Shape& out) {
  if (known_length(c, 3).value_or(static_cast<int64_t>(axes.size())) !=
      static_cast<int64_t>(axes.size()))
    c.fail(concat("sizes: expected ", axes.size(), " values, got ", *known_length(c, 3)));
  const auto sizes = c.contents(3);
  std::vector<int64_t> wanted, dims;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Dim before = out[static_cast<size_t>(axes[i])];
    Dim& dim = out[static_cast<size_t>(axes[i])];
    dim = sizes && (*sizes)[i] ? *(*sizes)[i] : c.fresh_dim();
    if (dim.is_constant() && (dim.value() < 0 || dim.value() >= int64_t{1} << 40))
      c.fail(concat("sizes: expected sizes from 0 on, got ", dim.value()));
    if (dim.is_constant()) wanted.push_back(dim.value());
    if (before.is_constant()) dims.push_back(before.value());
  }
  if (o.aspect == Aspect::kStretch) return;
  const bool known = wanted.size() == axes.size() && dims.size() == axes.size();
  if (known && std::count(dims.begin(), dims.end(), 0) != 0)
    c.fail("an empty axis has no aspect ratio");
  const double scale = known ? common_scale(o.aspect, wanted, dims) : 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const double size = known ? scale * static_cast<double>(dims[i]) + 0.5 : 0;
    if (size >= 0x1p40) c.fail("sizes: the output is too large");
    out[static_cast<size_t>(axes[i])] = known ? Dim(static_cast<int64_t>(size)) : c.fresh_dim();
  }
}

void infer_resize(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  const ResizeOptions o = resize_options(c);
  if (is_given(c, 1)) check_rank(c, 1, 1);
  if (c.has_input(2))
    check_tensor(
        c, 2, [](DType t) { return t == DType::kF32; }, "float32");
  if (c.has_input(3)) check_tensor(c, 3, is_i64, "int64");
  check_rank(c, 2, 1);
  check_rank(c, 3, 1);
  const bool by_scales = is_given(c, 2), by_sizes = is_given(c, 3);
  if (!by_scales && !by_sizes) c.fail("expected scales or sizes, got neither");
  if (by_scales && by_sizes && known_length(c, 2) && known_length(c, 3))
    c.fail("expected scales or sizes, got both");
  if (o.mode != Mode::kNearest && dtype == DType::kString)
    c.fail("strings are resized in mode nearest only", ErrorCode::kInvalidType);
  if (!c.has_rank(0)) return c.set_output(0, Type::tensor(dtype));
  Shape out = c.shape(0);
  const std::vector<int> axes = resized_axes(c, c.rank(0));
  if (by_sizes && !(by_scales && known_length(c, 2)))
    apply_sizes(c, o, axes, out);
  else
    apply_scales(c, axes, out);
  for (int axis : axes) {
    const Dim& before = c.shape(0)[static_cast<size_t>(axis)];
    const Dim& after = out[static_cast<size_t>(axis)];
    if (before == Dim(0) && Dim::differs(after, Dim(0)))
      c.fail(concat("axis ", axis, " is empty and cannot be resized to ", after.to_string()));
  }
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

// ---- Filters ----

struct ResizeAxis {
  int axis = 0;
  int64_t input = 0;
  int64_t output = 0;
  double scale = 1;  // may be a fraction of what output / input says
  double roi_start = 0;
  double roi_end = 1;
};

// For each output position, the input positions that it reads and their weights.
struct Filter {
  int64_t taps = 1;
  std::vector<int64_t> index;    // [output][taps]
  std::vector<double> weight;    // [output][taps]
  std::vector<bool> is_outside;  // [output]: takes the extrapolation value
};

double source_position(const ResizeOptions& o, const ResizeAxis& a, int64_t at) {
  const auto x = static_cast<double>(at), input = static_cast<double>(a.input);
  const double width = a.scale * input;
  switch (o.coordinates) {
    case Coordinates::kHalfPixel: return (x + 0.5) / a.scale - 0.5;
    case Coordinates::kHalfPixelSymmetric: {
      const double offset = input / 2 * (1 - static_cast<double>(a.output) / width);
      return offset + (x + 0.5) / a.scale - 0.5;
    }
    case Coordinates::kPytorchHalfPixel: return a.output > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
    case Coordinates::kAlignCorners: return width == 1 ? 0 : x * (input - 1) / (width - 1);
    case Coordinates::kAsymmetric: return x / a.scale;
    case Coordinates::kNearestHalfPixel: return (x + 0.5) / a.scale;  // opsets 11 and 12 have it
    case Coordinates::kCropAndResize: break;
  }
  const double extent = (a.roi_end - a.roi_start) * (input - 1);
  const double start = a.roi_start * (input - 1);
  return start + (width == 1 ? extent / 2 : x * extent / (width - 1));
}

int64_t nearest_index(Nearest mode, double x) {
  switch (mode) {
    case Nearest::kPreferFloor: return static_cast<int64_t>(std::ceil(x - 0.5));
    case Nearest::kPreferCeil: return static_cast<int64_t>(std::floor(x + 0.5));
    case Nearest::kFloor: return static_cast<int64_t>(std::floor(x));
    case Nearest::kCeil: break;
  }
  return static_cast<int64_t>(std::ceil(x));
}

double kernel_value(const ResizeOptions& o, double distance) {
  const double x = std::fabs(distance), a = o.cubic_a;
  if (o.mode == Mode::kLinear) return std::max(0.0, 1 - x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

Filter make_filter(const ResizeOptions& o, const ResizeAxis& a) {
  Filter f;
  // Antialiasing stretches the kernel over the input positions of one output position.
  const double shrink = o.antialias ? std::min(a.scale, 1.0) : 1.0;
  const auto reach = static_cast<int64_t>(std::ceil((o.mode == Mode::kCubic ? 2 : 1) / shrink));
  if (o.mode != Mode::kNearest) f.taps = 2 * reach;
  const double limit = 0x1p52;
  for (int64_t out = 0; out < a.output; ++out) {
    double x = source_position(o, a, out);
    if (std::isnan(x)) x = 0;
    f.is_outside.push_back(o.coordinates == Coordinates::kCropAndResize &&
                           (x < 0 || x > static_cast<double>(a.input - 1)));
    x = std::clamp(x, -limit, limit);
    if (o.mode == Mode::kNearest) {
      f.index.push_back(std::clamp<int64_t>(nearest_index(o.nearest, x), 0, a.input - 1));
      f.weight.push_back(1);
      continue;
    }
    const auto first = static_cast<int64_t>(std::floor(x)) - reach + 1;
    const size_t row = f.weight.size();
    double sum = 0;
    for (int64_t i = first; i < first + f.taps; ++i) {
      double weight = kernel_value(o, (static_cast<double>(i) - x) * shrink);
      if (o.exclude_outside && (i < 0 || i >= a.input)) weight = 0;
      f.index.push_back(std::clamp<int64_t>(i, 0, a.input - 1));
      f.weight.push_back(weight);
      sum += weight;
    }
    if ((o.antialias || o.exclude_outside) && sum != 0)
      for (size_t i = row; i < f.weight.size(); ++i) f.weight[i] /= sum;
  }
  return f;
}

// ---- Kernel ----

std::vector<ResizeAxis> plan_axes(const KernelContext& c, const ResizeOptions& o, const Dims& out) {
  const Dims& in = c.input(0).dims();
  const std::vector<int> axes = resized_axes(c, static_cast<int>(in.size()));
  const bool by_scales = is_given(c, 2) && !is_given(c, 3);
  const bool crops = o.coordinates == Coordinates::kCropAndResize;
  std::vector<double> scales, roi;
  if (by_scales) scales = load<double>(c.input(2));
  if (crops) {
    if (c.has_input(1)) roi = load<double>(c.input(1));
    if (roi.size() != 2 * axes.size())
      c.fail(concat("roi: expected ", 2 * axes.size(), " values, got ", roi.size()));
  }
  double common = 0;
  if (!by_scales && o.aspect != Aspect::kStretch) {
    std::vector<int64_t> dims;
    for (int axis : axes) dims.push_back(in[static_cast<size_t>(axis)]);
    common = common_scale(o.aspect, load<int64_t>(c.input(3)), dims);
  }
  std::vector<ResizeAxis> plan;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    ResizeAxis a{.axis = axes[i], .input = in[axis], .output = out[axis]};
    a.scale = static_cast<double>(a.output) / static_cast<double>(a.input);
    if (by_scales) a.scale = scales[i];
    if (common != 0) a.scale = common;
    if (crops) {
      a.roi_start = roi[i];
      a.roi_end = roi[axes.size() + i];
    }
    const bool whole = !crops || (a.roi_start == 0 && a.roi_end == 1);
    if (a.input != a.output || a.scale != 1 || !whole) plan.push_back(a);
  }
  // Shrinking axes first, so that no intermediate is larger than both ends.
  std::stable_sort(plan.begin(), plan.end(), [](const ResizeAxis& x, const ResizeAxis& y) {
    return static_cast<double>(x.output) * static_cast<double>(y.input) <
           static_cast<double>(y.output) * static_cast<double>(x.input);
  });
  return plan;
}

// Moves elements, of any type.
Tensor sample_nearest(const ResizeOptions& o, const ResizeAxis& a, const Tensor& in) {
  const Filter f = make_filter(o, a);
  Dims dims = in.dims();
  dims[static_cast<size_t>(a.axis)] = a.output;
  Tensor out(in.dtype(), dims);
  take(out, in, a.axis, f.index);
  if (std::find(f.is_outside.begin(), f.is_outside.end(), true) == f.is_outside.end()) return out;
  Tensor value(in.dtype(), {1});
  if (in.dtype() != DType::kString) store<double>(value, 0, 1, &o.extrapolation);
  const int64_t inner = inner_count(dims, a.axis), outer = outer_count(dims, a.axis);
  for (int64_t n = 0; n < outer; ++n)
    for (int64_t i = 0; i < a.output; ++i)
      if (f.is_outside[static_cast<size_t>(i)])
        fill_run(out, (n * a.output + i) * inner, inner, value, 0);
  return out;
}

template <class T>
std::vector<T> sample_weighted(const ResizeOptions& o, const ResizeAxis& a,
                               const std::vector<T>& in, Dims& dims) {
  const Filter f = make_filter(o, a);
  const int64_t inner = inner_count(dims, a.axis), outer = outer_count(dims, a.axis);
  dims[static_cast<size_t>(a.axis)] = a.output;
  std::vector<T> out(static_cast<size_t>(element_count(dims)), T{});
  for (int64_t n = 0; n < outer; ++n)
    for (int64_t y = 0; y < a.output; ++y) {
      T* to = out.data() + (n * a.output + y) * inner;
      if (f.is_outside[static_cast<size_t>(y)]) {
        std::fill_n(to, inner, T(o.extrapolation));
        continue;
      }
      for (int64_t t = 0; t < f.taps; ++t) {
        const auto tap = static_cast<size_t>(y * f.taps + t);
        // A zero weight must not spread an infinity.
        if (f.weight[tap] == 0) continue;
        const T* from = in.data() + (n * a.input + f.index[tap]) * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += from[i] * f.weight[tap];
      }
    }
  return out;
}

void run_resize(KernelContext& c) {
  const ResizeOptions o = resize_options(c);
  Tensor& out = c.output(0);
  const Tensor& in = c.input(0);
  if (out.count() == 0) return;
  const std::vector<ResizeAxis> plan = plan_axes(c, o, out.dims());
  if (o.mode == Mode::kNearest || plan.empty()) {
    Tensor now = spread(in);
    for (const ResizeAxis& a : plan) now = sample_nearest(o, a, now);
    fill_spread(out, [&](Tensor& whole) { copy_all(whole, now); });
    return;
  }
  Dims dims = in.dims();
  if (is_complex(in.dtype())) {
    auto values = load<std::complex<double>>(in);
    for (const ResizeAxis& a : plan) values = sample_weighted(o, a, values, dims);
    store(out, values);
    return;
  }
  std::vector<double> values = load<double>(in);
  for (const ResizeAxis& a : plan) values = sample_weighted(o, a, values, dims);
  store_saturated(out, 0, out.count(), values.data());
}

const RegisterOp kResize(
    {.name = "Resize",
     .attributes = {optional("antialias", AttrKind::kInt), optional("axes", AttrKind::kInts),
                    optional("coordinate_transformation_mode", AttrKind::kString),
                    optional("cubic_coeff_a", AttrKind::kFloat),
                    optional("exclude_outside", AttrKind::kInt),
                    optional("extrapolation_value", AttrKind::kFloat),
                    optional("keep_aspect_ratio_policy", AttrKind::kString),
                    optional("mode", AttrKind::kString),
                    optional("nearest_mode", AttrKind::kString)},
     .inputs = {1, 4},
     .outputs = {1, 1},
     .infer = infer_resize,
     .run = run_resize,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__Resize.html"});

}  // namespace
}  // namespace planish
