#include "engine_under_test.hpp"

#include "interpreter/interpreter.hpp"
#include "translator/translator.hpp"

namespace softmetal::differential {
namespace {

class InterpreterUnderTest final : public EngineUnderTest {
 public:
    explicit InterpreterUnderTest(Vcpu& vcpu) : interpreter_(vcpu) {}
    void run(u64 budget) override { interpreter_.run(budget); }

 private:
    Interpreter interpreter_;
};

/// Translates what it meets at once. The case's code page changes each time, so every case is a new block.
class TranslatorUnderTest final : public EngineUnderTest {
 public:
    static Result<std::unique_ptr<EngineUnderTest>> create(Vcpu& vcpu) {
        auto engine = std::make_unique<TranslatorUnderTest>(vcpu);
        auto translator = Translator::create(vcpu, engine->interpreter_, {.threshold = 0});
        if (!translator) return std::unexpected(translator.error());
        engine->translator_ = std::move(*translator);
        return engine;
    }
    explicit TranslatorUnderTest(Vcpu& vcpu) : interpreter_(vcpu) {}
    void run(u64 budget) override { translator_->run(budget); }

 private:
    Interpreter interpreter_;
    std::unique_ptr<Translator> translator_;
};

}  // namespace

Result<std::unique_ptr<EngineUnderTest>> make_engine(std::string_view name, Vcpu& vcpu) {
    if (name == "interpreter") return std::make_unique<InterpreterUnderTest>(vcpu);
    if (name == "translator") return TranslatorUnderTest::create(vcpu);
    return fail("there is no engine called " + std::string(name) + "; there are: interpreter, translator");
}

}  // namespace softmetal::differential
