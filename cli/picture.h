// SPDX-License-Identifier: Apache-2.0
// Pictures (PNG, JPEG) as inputs of a network.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planish/planish.h"

namespace planish::cli {

// 8 bits a channel, rows from the top, channels side by side: 3 (RGB) or 1 (grey).
struct Picture {
  int64_t height = 0, width = 0;
  int channels = 3;
  std::vector<uint8_t> pixels;
};

// How pixels become numbers: (pixel * scale - mean) / std, channel by channel.
struct PictureFlags {
  std::string layout = "auto", colours = "rgb", mean = "0", std = "1";
  double scale = 1.0 / 255;

  void add(CLI::App& verb);
};

bool is_picture(const std::string& extension);
// Throws kFileError.
Picture decode_picture(std::string_view bytes, int channels, const std::string& path);
// The picture as the input `info`: rank 3 or 4 with 1 or 3 channels, of a float type or uint8 (the
// pixels as they are). `dims` are those that the input must have, -1 where the picture decides: it
// is resized where height or width are given.
Value picture_input(std::string_view bytes, const TensorInfo& info,
                    const std::vector<int64_t>& dims, const PictureFlags& flags,
                    const std::string& path);

}  // namespace planish::cli
