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

constexpr uint64_t kMaxPixels = uint64_t{1} << 28;

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

std::vector<double> channel_numbers(const std::string& text, const char* flag, int channels) {
  std::vector<double> out;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string item = text.substr(at, comma - at);
    char* end = nullptr;
    out.push_back(std::strtod(item.c_str(), &end));
    if (item.empty() || *end != '\0' || !std::isfinite(out.back()))
      throw Error(ErrorCode::kInvalidArgument, std::string(flag) + " \"" + text +
                                                   "\": expected a number, or one a channel: "
                                                   "0.485,0.456,0.406");
    at = comma + 1;
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

void store(Value& value, size_t i, double x) {
  auto* data = static_cast<char*>(value.data());
  switch (value.dtype()) {
    case kFloat: reinterpret_cast<float*>(data)[i] = static_cast<float>(x); return;
    case kHalf: reinterpret_cast<_Float16*>(data)[i] = static_cast<_Float16>(x); return;
    case kDouble: reinterpret_cast<double*>(data)[i] = x; return;
    case kBfloat16: {
      const auto f = static_cast<float>(x);
      uint32_t bits = 0;
      std::memcpy(&bits, &f, sizeof(bits));
      bits += 0x7FFF + (bits >> 16 & 1);
      reinterpret_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(bits >> 16);
      return;
    }
    default: data[i] = static_cast<char>(static_cast<uint8_t>(std::lround(x)));
  }
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
  if (static_cast<double>(height) * static_cast<double>(width) > static_cast<double>(kMaxPixels))
    check_size(kMaxPixels + 1, 1, path);
  std::vector<float> pixels(picture.pixels.begin(), picture.pixels.end());
  if (width != picture.width)
    pixels = resize_axis(pixels, picture.height, picture.width, width, channels);
  if (height != picture.height)
    pixels = resize_axis(pixels, 1, picture.height, height, width * channels);
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
      store(value, at++, is_bytes ? x : (x * flags.scale - mean[k]) / deviation[k]);
    }
  return value;
}

}  // namespace planish::cli
