// The translator as an engine, with the interpreter it falls back on.
#pragma once

#include "interpreter/interpreter.hpp"
#include "monitor/code_coherence.hpp"
#include "monitor/engine.hpp"
#include "translator/translator.hpp"

#include <memory>

namespace softmetal::monitor {

class TranslatorEngine final : public Engine {
 public:
    [[nodiscard]] static Result<std::unique_ptr<TranslatorEngine>> create(Vcpu& vcpu,
                                                                          const Translator::Options& options,
                                                                          CodeCoherence& coherence) {
        std::unique_ptr<TranslatorEngine> engine(new TranslatorEngine(vcpu));
        auto translator = Translator::create(vcpu, engine->interpreter_, options);
        if (!translator) return std::unexpected(translator.error());
        engine->translator_ = std::move(*translator);
        engine->coherence_ = &coherence.add(vcpu, *engine->translator_);
        engine->translator_->use(*engine->coherence_);
        return engine;
    }
    [[nodiscard]] std::string_view name() const override { return "translator"; }
    [[nodiscard]] u64 Counters::*time_counter() const override { return &Counters::nanoseconds_translated; }
    void run(u64 budget) override { translator_->run(budget); }
    [[nodiscard]] std::vector<std::pair<std::string, u64>> fallback_profile() const override {
        return translator_->fallback_profile();
    }
    void rest() override { coherence_->rest(); }
    void catch_up() override { coherence_->catch_up(); }

 private:
    explicit TranslatorEngine(Vcpu& vcpu) : interpreter_(vcpu) {}

    Interpreter interpreter_;
    std::unique_ptr<Translator> translator_;
    CodeCoherence::Member* coherence_ = nullptr;
};

}  // namespace softmetal::monitor
