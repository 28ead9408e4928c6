#include "machine/engine_choice.hpp"

#include "interpreter/native_thunk.hpp"
#include "monitor/interpreter_engine.hpp"
#include "monitor/lockstep_engine.hpp"
#include "monitor/translator_engine.hpp"

#include <algorithm>

namespace softmetal::machine {

using EngineResult = Result<std::unique_ptr<monitor::Engine>>;

namespace {

/// Each vCPU has a cache of its own; many share a reasonable sum. It costs memory only as it is filled, but
/// then, with what is known about each translation, twice its size.
u64 cache_bytes(u64 ram_bytes, unsigned cpus) {
    constexpr u64 least = u64{32} << 20, usual = u64{128} << 20, sum = u64{512} << 20;
    return std::min(std::max(usual, ram_bytes / 8), std::max(least, sum / cpus));
}

}  // namespace

EngineResult choose_engine(const MachineConfig& config, Vcpu& vcpu, monitor::CodeCoherence& coherence) {
    if (config.lockstep && config.mode == Mode::interpret)
        return fail(
            "lockstep compares the translator with the interpreter: it needs the mode \"automatic\" or "
            "\"translate\"");
    if (config.lockstep && config.cpus != 1)
        return fail(
            "lockstep compares the engines of one processor: other processors would write in between");
    if (const auto ready = interpreter::prepare_native_execution(); !ready)
        return std::unexpected(ready.error());
    if (config.lockstep) return monitor::LockstepEngine::create(vcpu, {}, coherence);
    if (config.mode != Mode::interpret)
        return monitor::TranslatorEngine::create(
            vcpu, {.cache_bytes = cache_bytes(config.memory_bytes, config.cpus)}, coherence);
    return std::make_unique<monitor::InterpreterEngine>(vcpu);
}

}  // namespace softmetal::machine
