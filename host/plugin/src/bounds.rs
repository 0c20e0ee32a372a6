//! What a component may be made of, counted in one pass before anything is compiled: a few bytes can ask for work without
//! end, as what is instantiated twice inside of what is instantiated twice. Not a validation: what cannot be read is for
//! the compiler to refuse, and what takes too long in spite of all counts is stopped by its process's limits.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    CompositeInnerType, Encoding, FunctionBody, Instance, Operator, Parser, Payload, TypeSectionReader,
};

/// A bound, by the name that it is told under.
struct Bound {
    name: &'static str,
    max: u64,
}

const fn bound(name: &'static str, max: u64) -> Bound {
    Bound { name, max }
}

// Beside most of them what an interpreter of Python or an engine of JavaScript has, the largest that are known to be used;
// both stay below all.
/// 1.
const LEVELS: Bound = bound("levels of components inside of components", 16);
/// 108.
const INSTANCES: Bound = bound("instances, those included that its parts make each time they are instantiated", 2_000);
/// 1,800.
const DEFINITIONS: Bound =
    bound("types, imports, exports, aliases and instances, counted as often as they are made", 100_000);
/// 38.
const MODULES: Bound = bound("core modules", 1_000);
/// 22,500.
const CORE_DEFINITIONS: Bound = bound("types, imports, exports, globals and segments of core modules", 500_000);
/// 13,500.
const FUNCTIONS: Bound = bound("functions", 250_000);
/// 427,000.
const FUNCTION_BYTES: Bound = bound("bytes of one function", 4 << 20);
/// 270.
const LOCALS: Bound = bound("local variables of one function", 20_000);
const DEPTH: Bound = bound("blocks inside of one another in one function", 20_000);
const JOINS: Bound = bound("branches of one function times what they may carry", 100_000_000);

impl Bound {
    fn check(&self, count: u64) -> Result<(), String> {
        if count <= self.max {
            return Ok(());
        }
        Err(format!("it has {count} {}, and the limit is {}", self.name, self.max))
    }
}

/// Checks all bounds.
///
/// # Errors
/// Says which does not hold.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut counts = Counts::default();
    // As far as it can be read.
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        counts.add(&payload)?;
    }
    Ok(())
}

/// What it takes to make an instance of a component, its parts included.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    instances: u64,
    definitions: u64,
}

/// A component as far as it was read.
#[derive(Debug, Default)]
struct Component {
    cost: Cost,
    /// Its components by their index; `None`: one that it is handed, of which nothing is known.
    components: Vec<Option<Cost>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// The component that is being read is the last, those around it are before.
    around: Vec<Component>,
    /// Whether a core module is being read.
    in_module: bool,
    modules: u64,
    core_definitions: u64,
    functions: u64,
    /// Most values that a function type of the module has on one side.
    arity: u64,
}

impl Counts {
    #[expect(clippy::wildcard_enum_match_arm, reason = "sections that are not counted, and those of versions to come")]
    fn add(&mut self, payload: &Payload<'_>) -> Result<(), String> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(*encoding),
            Payload::End(_) => self.end(),
            Payload::ComponentTypeSection(types) => self.define(types.count()),
            Payload::CoreTypeSection(types) => self.define(types.count()),
            Payload::ComponentCanonicalSection(functions) => self.define(functions.count()),
            Payload::ComponentImportSection(imports) => {
                self.define(imports.count())?;
                let kinds = imports.clone().into_iter().map_while(Result::ok);
                self.know(kinds.filter(|import| matches!(import.ty, ComponentTypeRef::Component(_))).map(|_| None));
                Ok(())
            }
            Payload::ComponentAliasSection(aliases) => {
                self.define(aliases.count())?;
                for alias in aliases.clone().into_iter().map_while(Result::ok) {
                    let known = self.aliased(&alias);
                    self.know(known);
                }
                Ok(())
            }
            Payload::ComponentExportSection(exports) => {
                self.define(exports.count())?;
                // What is exported gets one more index.
                for export in exports.clone().into_iter().map_while(Result::ok) {
                    if export.kind == ComponentExternalKind::Component {
                        let known = self.component(0, export.index).flatten();
                        self.know([known]);
                    }
                }
                Ok(())
            }
            Payload::InstanceSection(instances) => {
                self.define(instances.count())?;
                let made = instances.clone().into_iter().map_while(Result::ok);
                let made = made.filter(|instance| matches!(instance, Instance::Instantiate { .. }));
                self.make(Cost { instances: made.count() as u64, definitions: 0 })
            }
            Payload::ComponentInstanceSection(instances) => {
                self.define(instances.count())?;
                instances.clone().into_iter().map_while(Result::ok).try_for_each(|instance| self.instantiate(&instance))
            }
            Payload::TypeSection(types) => {
                self.arity = self.arity.max(arity(types));
                self.define_in_module(types.count())
            }
            Payload::ImportSection(section) => self.define_in_module(section.count()),
            Payload::TableSection(section) => self.define_in_module(section.count()),
            Payload::MemorySection(section) => self.define_in_module(section.count()),
            Payload::TagSection(section) => self.define_in_module(section.count()),
            Payload::GlobalSection(section) => self.define_in_module(section.count()),
            Payload::ExportSection(section) => self.define_in_module(section.count()),
            Payload::ElementSection(section) => self.define_in_module(section.count()),
            Payload::DataSection(section) => self.define_in_module(section.count()),
            Payload::CodeSectionStart { count, .. } => {
                self.functions += u64::from(*count);
                FUNCTIONS.check(self.functions)
            }
            Payload::CodeSectionEntry(body) => check_function(body, self.arity),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), String> {
        match encoding {
            Encoding::Module => {
                (self.in_module, self.arity) = (true, 0);
                self.modules += 1;
                MODULES.check(self.modules)
            }
            Encoding::Component => {
                self.around.push(Component::default());
                LEVELS.check(self.around.len() as u64 - 1)
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.in_module) {
            return Ok(());
        }
        let known = self.around.pop().map(|component| component.cost);
        self.know([known]);
        Ok(())
    }

    /// Takes down components that get the next indices of the one that is being read.
    fn know(&mut self, components: impl IntoIterator<Item = Option<Cost>>) {
        if let Some(component) = self.around.last_mut() {
            component.components.extend(components);
        }
    }

    fn define(&mut self, definitions: u32) -> Result<(), String> {
        self.make(Cost { instances: 0, definitions: definitions.into() })
    }

    fn define_in_module(&mut self, definitions: u32) -> Result<(), String> {
        self.core_definitions += u64::from(definitions);
        CORE_DEFINITIONS.check(self.core_definitions)
    }

    fn make(&mut self, more: Cost) -> Result<(), String> {
        let Some(Component { cost, .. }) = self.around.last_mut() else { return Ok(()) };
        cost.instances = cost.instances.saturating_add(more.instances);
        cost.definitions = cost.definitions.saturating_add(more.definitions);
        INSTANCES.check(cost.instances)?;
        DEFINITIONS.check(cost.definitions)
    }

    fn instantiate(&mut self, instance: &ComponentInstance<'_>) -> Result<(), String> {
        let ComponentInstance::Instantiate { component_index, .. } = instance else { return Ok(()) };
        match self.component(0, *component_index) {
            Some(Some(cost)) => self.make(Cost { instances: cost.instances.saturating_add(1), ..cost }),
            // How often is up to whoever hands it over, and no tool makes such components.
            Some(None) => Err("it instantiates a component that it is handed, which is not supported".to_owned()),
            None => Ok(()),
        }
    }

    /// A component by its index, so many components outward.
    fn component(&self, outward: u32, index: u32) -> Option<Option<Cost>> {
        let around = self.around.len().checked_sub(1)?.checked_sub(outward as usize)?;
        self.around.get(around)?.components.get(index as usize).copied()
    }

    fn aliased(&self, alias: &ComponentAlias<'_>) -> Option<Option<Cost>> {
        if let ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } = alias {
            return Some(self.component(*count, *index).flatten());
        }
        let is_handed = matches!(alias, ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. });
        is_handed.then_some(None)
    }
}

fn arity(types: &TypeSectionReader<'_>) -> u64 {
    let mut most = 0;
    for group in types.clone().into_iter().map_while(Result::ok) {
        for ty in group.types() {
            if let CompositeInnerType::Func(function) = &ty.composite_type.inner {
                most = most.max(function.params().len()).max(function.results().len());
            }
        }
    }
    most as u64
}

/// A function whose types have so many values on one side at most.
fn check_function(body: &FunctionBody<'_>, arity: u64) -> Result<(), String> {
    FUNCTION_BYTES.check(body.range().len() as u64)?;
    let Ok(locals) = body.get_locals_reader() else { return Ok(()) };
    let locals: u64 = locals.into_iter().map_while(Result::ok).map(|(count, _)| u64::from(count)).sum();
    LOCALS.check(locals)?;
    let Ok(mut operators) = body.get_operators_reader() else { return Ok(()) };
    let (mut depth, mut branches) = (0_u64, 0_u64);
    while let (false, Ok(operator)) = (operators.eof(), operators.read()) {
        if let Operator::BrTable { targets } = &operator {
            branches += u64::from(targets.len());
        } else if matches!(operator, Operator::Br { .. } | Operator::BrIf { .. }) {
            branches += 1;
        } else if matches!(operator, Operator::End) {
            depth = depth.saturating_sub(1);
        } else if opens_block(&operator) {
            depth += 1;
            branches += 1;
            DEPTH.check(depth)?;
        }
    }
    JOINS.check(branches.saturating_mul(locals + arity))
}

fn opens_block(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&wat::parse_str(text).unwrap())
    }

    /// Each level makes two instances of the one before it.
    fn doubled(levels: usize) -> String {
        let level = |level: usize| {
            let before = level - 1;
            format!(
                "(component $c{level} (alias outer 1 {before} (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))"
            )
        };
        let all: String = (1..=levels).map(level).collect();
        format!("(component (component $c0) {all} (instance (instantiate $c{levels})))")
    }

    #[test]
    fn instances_of_instances_are_multiplied() {
        checked(&doubled(9)).unwrap();
        for levels in [12, 40, 200] {
            let error = checked(&doubled(levels)).unwrap_err();
            assert!(error.contains("instances, those included") && error.contains("2000"), "{error}");
        }
    }

    #[test]
    fn components_that_are_exported_count_under_both_indices() {
        let text = |times: usize| {
            let many = "(instance (instantiate $b))".repeat(times);
            format!(
                "(component (component $a (core module $m) {}) (export $b \"b\" (component $a)) {many})",
                "(core instance (instantiate $m))".repeat(100)
            )
        };
        checked(&text(10)).unwrap();
        assert!(checked(&text(30)).is_err());
    }

    #[test]
    fn what_is_handed_over_is_not_instantiated() {
        for text in [
            "(component (import \"c\" (component $c)) (instance (instantiate $c)))",
            "(component (component $a (component $b) (export \"b\" (component $b))) (instance $i (instantiate $a))
               (alias export $i \"b\" (component $c)) (instance (instantiate $c)))",
        ] {
            assert!(checked(text).unwrap_err().contains("it is handed"), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "(component".repeat(levels), ")".repeat(levels));
        checked(&nested(17)).unwrap();
        assert!(checked(&nested(18)).unwrap_err().contains("levels of components"));
    }

    #[test]
    fn functions_are_bounded_in_all_that_multiplies() {
        let function = |text: &str| checked(&format!("(component (core module {text}))"));
        let locals = |count: usize| function(&format!("(func (local {}))", "i32 ".repeat(count)));
        locals(20_000).unwrap();
        assert!(locals(20_001).unwrap_err().contains("local variables"));
        let blocks = |count: usize, locals: usize| {
            function(&format!("(func (local {}) {})", "i32 ".repeat(locals), "block end ".repeat(count)))
        };
        blocks(30_000, 1_000).unwrap();
        assert!(blocks(30_000, 10_000).unwrap_err().contains("branches of one function"));
        let deep = |count: usize| function(&format!("(func {} {})", "block ".repeat(count), "end ".repeat(count)));
        deep(20_000).unwrap();
        assert!(deep(20_001).unwrap_err().contains("blocks inside of one another"));
        assert!(function(&format!("(func {})", "nop ".repeat(5 << 20))).unwrap_err().contains("bytes of one function"));
    }

    #[test]
    fn numbers_of_things_are_bounded() {
        let functions = format!("(component (core module {}))", "(func)".repeat(250_001));
        assert!(checked(&functions).unwrap_err().contains("250001 functions"));
        let modules = format!("(component {})", "(core module)".repeat(1_001));
        assert!(checked(&modules).unwrap_err().contains("1001 core modules"));
        let globals = "(global i32 (i32.const 0))".repeat(300_000);
        let globals = format!("(component (core module {globals}) (core module {globals}))");
        assert!(checked(&globals).unwrap_err().contains("segments of core modules"));
        let types = format!("(component {})", "(type u8)".repeat(100_001));
        assert!(checked(&types).unwrap_err().contains("types, imports"));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_compiler() {
        for bytes in [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0\x04", b"\0asm\x0d\0\x01\0\xff\xff\xff\xff\xff\xff"] {
            check(bytes).unwrap();
        }
    }
}
