#include "plan/reader.h"
#include "runtime/engine.h"
namespace planish { __attribute__((weak)) std::shared_ptr<Engine> Engine::load(const std::string& p, EngineOptions o, bool map) { return create(plan::load_plan(p, map ? FileAccess::kMap : FileAccess::kCopy), o); } }
