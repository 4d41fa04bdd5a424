// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <jpeglib.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstring>

#include "dtypes.h"
#include "files.h"

namespace planish::cli {
namespace {

constexpr uint64_t kMaxPixels = uint64_t{1} << 27;

void check_size(uint64_t width, uint64_t height, const std::string& path) {
  if (width == 0 || height == 0 || width * height > kMaxPixels)
    throw Error(ErrorCode::kBudgetExceeded,
                "\"" + path + "\" is " + std::to_string(width) + " by " + std::to_string(height) +
                    " pixels, expected 1 to " + std::to_string(kMaxPixels) + " in all");
}

Picture decode_png(std::string_view bytes, int channels, const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct Release {
    png_image* image;
    ~Release() { png_image_free(image); }
  } const release{&image};
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0)
    fail_file(path, std::string("is a damaged PNG: ") + image.message);
  check_size(image.width, image.height, path);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Picture out{image.height, image.width, channels, {}};
  out.pixels.resize(PNG_IMAGE_SIZE(image));
  // What is transparent lies on white.
  png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, out.pixels.data(), 0, nullptr) == 0)
    fail_file(path, std::string("is a damaged PNG: ") + image.message);
  return out;
}

struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf back;
  char text[JMSG_LENGTH_MAX];
};

// Objects with destructors live in the caller: longjmp skips none of them.
bool read_jpeg(std::string_view bytes, int channels, jpeg_decompress_struct& jpeg,
               JpegErrors& errors, Picture& out, bool (*accept)(Picture&)) {
  if (setjmp(errors.back) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  out.height = jpeg.image_height;
  out.width = jpeg.image_width;
  out.channels = channels;
  if (!accept(out)) return true;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = out.pixels.data() + static_cast<size_t>(jpeg.output_scanline) *
                                           static_cast<size_t>(out.width) *
                                           static_cast<size_t>(channels);
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

Picture decode_jpeg(std::string_view bytes, int channels, const std::string& path) {
  jpeg_decompress_struct jpeg{};
  JpegErrors errors{};
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = [](j_common_ptr info) {
    auto* e = reinterpret_cast<JpegErrors*>(info->err);
    info->err->format_message(info, e->text);
    std::longjmp(e->back, 1);
  };
  errors.base.output_message = [](j_common_ptr) {};
  Picture out;
  const bool is_read = read_jpeg(bytes, channels, jpeg, errors, out, [](Picture& p) {
    const auto pixels = static_cast<uint64_t>(p.height) * static_cast<uint64_t>(p.width);
    if (pixels == 0 || pixels > kMaxPixels) return false;
    p.pixels.resize(pixels * static_cast<uint64_t>(p.channels));
    return true;
  });
  const bool is_cut = errors.base.num_warnings != 0;
  jpeg_destroy_decompress(&jpeg);
  if (!is_read) fail_file(path, std::string("is a damaged JPEG: ") + errors.text);
  check_size(static_cast<uint64_t>(out.width), static_cast<uint64_t>(out.height), path);
  if (is_cut) fail_file(path, "is a damaged JPEG, or cut off");
  return out;
}

// Each new pixel is the mean of the old ones that it covers, between two it is a mixture.
std::vector<float> resize_axis(const std::vector<float>& in, int64_t outer, int64_t from,
                               int64_t to, int64_t inner) {
  const double ratio = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, ratio);
  std::vector<float> out(static_cast<size_t>(outer * to * inner));
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(std::ceil(centre - support)));
    const auto last =
        std::min<int64_t>(from - 1, static_cast<int64_t>(std::floor(centre + support)));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t k = first; k <= last; ++k) {
      weights.push_back(std::max(0.0, 1 - std::fabs(static_cast<double>(k) - centre) / support));
      sum += weights.back();
    }
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t k = first; k <= last; ++k) {
        const auto w = static_cast<float>(weights[static_cast<size_t>(k - first)] / sum);
        const float* source = &in[static_cast<size_t>((o * from + k) * inner)];
        float* target = &out[static_cast<size_t>((o * to + i) * inner)];
        for (int64_t c = 0; c < inner; ++c) target[c] += w * source[c];
      }
  }
  return out;
}

// The picture's numbers at another size.
std::vector<float> resized(const Picture& picture, int64_t height, int64_t width) {
  std::vector<float> pixels(picture.pixels.begin(), picture.pixels.end());
  const int64_t channels = picture.channels;
  const auto count = [](int64_t h, int64_t w) {
    return static_cast<double>(h) * static_cast<double>(w);
  };
  // The axis that leaves the fewer pixels comes first: less work, and never more than the larger of
  // the two sizes.
  if (count(picture.height, width) <= count(height, picture.width)) {
    if (width != picture.width)
      pixels = resize_axis(pixels, picture.height, picture.width, width, channels);
    if (height != picture.height)
      pixels = resize_axis(pixels, 1, picture.height, height, width * channels);
    return pixels;
  }
  if (height != picture.height)
    pixels = resize_axis(pixels, 1, picture.height, height, picture.width * channels);
  if (width != picture.width) pixels = resize_axis(pixels, height, picture.width, width, channels);
  return pixels;
}

std::vector<double> channel_numbers(const std::string& text, const char* flag, int channels) {
  std::vector<double> out;
  for (const std::string& item : list_items(text)) {
    const auto x = parse_real(item);
    if (!x || !std::isfinite(*x))
      throw Error(ErrorCode::kInvalidArgument, std::string(flag) + " \"" + text +
                                                   "\": expected a number, or one a channel: "
                                                   "0.485,0.456,0.406");
    out.push_back(*x);
  }
  if (out.size() == 1) out.resize(static_cast<size_t>(channels), out[0]);
  if (out.size() != static_cast<size_t>(channels))
    throw Error(ErrorCode::kInvalidArgument, std::string(flag) + " \"" + text +
                                                 "\": expected 1 or " + std::to_string(channels) +
                                                 " numbers, got " + std::to_string(out.size()));
  return out;
}

// Which axes of the input are which.
struct Axes {
  size_t channels = 0, height = 0, width = 0;
};

Axes find_axes(const TensorInfo& info, const std::vector<int64_t>& dims,
               const std::string& layout) {
  const size_t rank = dims.size();
  if (rank != 3 && rank != 4)
    throw Error(ErrorCode::kInvalidArgument, "input \"" + info.name + "\" is " + info.type +
                                                 ", expected rank 3 or 4 for a picture");
  const Axes first{rank - 3, rank - 2, rank - 1}, last{rank - 1, rank - 3, rank - 2};
  const auto holds = [&](const Axes& a) { return dims[a.channels] == 1 || dims[a.channels] == 3; };
  if (layout == "auto" && holds(first) == holds(last) && !holds(first))
    throw Error(ErrorCode::kInvalidArgument,
                "input \"" + info.name + "\" is " + info.type +
                    ": which of its dimensions are the 1 or 3 channels is not clear",
                "", "say --layout nchw or nhwc");
  const Axes axes = layout == "nhwc" || (layout == "auto" && !holds(first)) ? last : first;
  if (dims[axes.channels] >= 0 && !holds(axes))
    throw Error(ErrorCode::kInvalidArgument, "input \"" + info.name + "\" is " + info.type +
                                                 ": expected 1 or 3 channels, got " +
                                                 std::to_string(dims[axes.channels]));
  return axes;
}

}  // namespace

void PictureFlags::add(CLI::App& verb) {
  constexpr const char* kGroup = "Pictures as inputs";
  verb.add_option("--layout", layout, "of the input: auto, nchw or nhwc [auto]")
      ->check(CLI::IsMember({"auto", "nchw", "nhwc"}))
      ->type_name("LAYOUT")
      ->group(kGroup);
  verb.add_option("--colours", colours, "order of three channels: rgb or bgr [rgb]")
      ->check(CLI::IsMember({"rgb", "bgr"}))
      ->type_name("ORDER")
      ->group(kGroup);
  verb.add_option("--scale", scale, "numbers are (pixel * scale - mean) / std [1/255]")
      ->type_name("NUMBER")
      ->group(kGroup);
  verb.add_option("--mean", mean, "one number, or one a channel: 0.485,0.456,0.406 [0]")
      ->type_name("NUMBERS")
      ->group(kGroup);
  verb.add_option("--std", std, "one number, or one a channel: 0.229,0.224,0.225 [1]")
      ->type_name("NUMBERS")
      ->group(kGroup);
}

bool is_picture(const std::string& extension) {
  return extension == "png" || extension == "jpg" || extension == "jpeg";
}

Picture decode_picture(std::string_view bytes, int channels, const std::string& path) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, channels, path);
  if (bytes.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, channels, path);
  fail_file(path, "is neither a PNG nor a JPEG");
}

Value picture_input(std::string_view bytes, const TensorInfo& info,
                    const std::vector<int64_t>& wanted, const PictureFlags& flags,
                    const std::string& path) {
  const bool is_bytes = info.dtype == kUint8;
  if (!is_bytes && info.dtype != kFloat && info.dtype != kHalf && info.dtype != kDouble &&
      info.dtype != kBfloat16)
    throw Error(ErrorCode::kInvalidArgument,
                "input \"" + info.name + "\" is " + info.type +
                    ", expected uint8 or a floating-point type for a picture");
  std::vector<int64_t> dims = wanted;
  const Axes axes = find_axes(info, dims, flags.layout);
  const int channels = dims[axes.channels] == 1 ? 1 : 3;
  const std::vector<double> mean = channel_numbers(flags.mean, "--mean", channels),
                            deviation = channel_numbers(flags.std, "--std", channels);
  if (std::find(deviation.begin(), deviation.end(), 0.0) != deviation.end())
    throw Error(ErrorCode::kInvalidArgument, "--std \"" + flags.std + "\": expected no zero");
  const Picture picture = decode_picture(bytes, channels, path);
  dims[axes.channels] = channels;
  if (dims[axes.height] < 0) dims[axes.height] = picture.height;
  if (dims[axes.width] < 0) dims[axes.width] = picture.width;
  if (dims.size() == 4 && dims[0] < 0) dims[0] = 1;
  const int64_t height = dims[axes.height], width = dims[axes.width];
  const double pixel_count = static_cast<double>(height) * static_cast<double>(width);
  const auto size = tensor_bytes(info.dtype, dims);
  if (pixel_count < 1 || pixel_count > static_cast<double>(kMaxPixels) || !size ||
      *size > kMaxInputBytes)
    throw Error(ErrorCode::kBudgetExceeded,
                "input \"" + info.name + "\" of shape " + dims_text(dims) +
                    ": a picture cannot be brought to it, expected 1 to " +
                    std::to_string(kMaxPixels) + " pixels and at most " +
                    std::to_string(kMaxInputBytes) + " bytes");
  const std::vector<float> pixels = resized(picture, height, width);
  Value value = Value::allocate(info.dtype, dims);
  const int64_t batch = dims.size() == 4 ? dims[0] : 1;
  const bool is_first = axes.channels < axes.height;
  size_t at = 0;
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t i = 0; i < channels * height * width; ++i) {
      const int64_t c = is_first ? i / (height * width) : i % channels;
      const int64_t pixel = is_first ? i % (height * width) : i / channels;
      const int64_t source = channels == 3 && flags.colours == "bgr" ? 2 - c : c;
      const double x = pixels[static_cast<size_t>(pixel * channels + source)];
      const auto k = static_cast<size_t>(c);
      set_element(value, at++, is_bytes ? x : (x * flags.scale - mean[k]) / deviation[k]);
    }
  return value;
}

}  // namespace planish::cli
