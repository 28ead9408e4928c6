#include "machine/engine_choice.hpp"

#include "interpreter/native_thunk.hpp"
#include "monitor/interpreter_engine.hpp"
#include "monitor/lockstep_engine.hpp"
#include "monitor/translator_engine.hpp"

namespace softmetal::machine {

using EngineResult = Result<std::unique_ptr<monitor::Engine>>;

EngineResult choose_engine(const MachineConfig& config, Vcpu& vcpu) {
    if (config.lockstep && config.mode == Mode::interpret)
        return fail(
            "lockstep compares the translator with the interpreter: it needs the mode \"automatic\" or "
            "\"translate\"");
    // A page's translations are known to the vCPU that made them only: another one could write there unseen.
    const bool translator_can = config.cpus == 1;
    if (!translator_can && (config.lockstep || config.mode == Mode::translate))
        return fail("the translator runs machines of one processor: use one, or the mode \"interpret\"");
    if (const auto ready = interpreter::prepare_native_execution(); !ready)
        return std::unexpected(ready.error());
    if (config.lockstep) return monitor::LockstepEngine::create(vcpu, {});
    if (translator_can && config.mode != Mode::interpret) return monitor::TranslatorEngine::create(vcpu, {});
    return std::make_unique<monitor::InterpreterEngine>(vcpu);
}

}  // namespace softmetal::machine
