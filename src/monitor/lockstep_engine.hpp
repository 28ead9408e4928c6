// Lockstep as an engine: the translator checked against the interpreter, block by block. For finding errors
// of ours: slow.
#pragma once

#include "monitor/code_coherence.hpp"
#include "monitor/engine.hpp"
#include "translator/lockstep.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace softmetal::monitor {

class LockstepEngine final : public Engine {
 public:
    [[nodiscard]] static Result<std::unique_ptr<LockstepEngine>> create(Vcpu& vcpu,
                                                                        Translator::Options options,
                                                                        CodeCoherence& coherence) {
        options.chain = false;
        options.threshold = 0;
        auto engine = std::unique_ptr<LockstepEngine>(new LockstepEngine(vcpu));
        auto translator = Translator::create(vcpu, engine->interpreter_, options);
        if (!translator) return std::unexpected(translator.error());
        engine->translator_ = std::move(*translator);
        engine->coherence_ = &coherence.add(vcpu, *engine->translator_);
        engine->translator_->use(*engine->coherence_);
        engine->lockstep_ = std::make_unique<Lockstep>(vcpu, engine->interpreter_, *engine->translator_,
                                                       [raw = engine.get()](std::string text) {
                                                           if (raw->failure_.empty())
                                                               raw->failure_ = std::move(text);
                                                       });
        return engine;
    }
    [[nodiscard]] std::string_view name() const override { return "lockstep"; }
    [[nodiscard]] u64 Counters::*time_counter() const override { return &Counters::nanoseconds_translated; }
    /// The first difference ends the machine: what comes after one proves nothing.
    void run(u64 budget) override {
        lockstep_->run(budget);
        if (!failure_.empty()) throw std::runtime_error(failure_);
    }
    void rest() override { coherence_->rest(); }
    void catch_up() override { coherence_->catch_up(); }

 private:
    explicit LockstepEngine(Vcpu& vcpu) : interpreter_(vcpu) {}

    Interpreter interpreter_;
    std::unique_ptr<Translator> translator_;
    CodeCoherence::Member* coherence_ = nullptr;
    std::unique_ptr<Lockstep> lockstep_;
    std::string failure_;
};

}  // namespace softmetal::monitor
