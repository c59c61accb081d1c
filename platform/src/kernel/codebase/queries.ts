/*
 * What is asked of a syntax tree, in the query language of tree-sitter. A pattern captures one `@name` and, as the name of the
 * other capture, what kind of symbol has it; or `@import`, which is what another file is called by.
 */

const script = `
  (function_declaration name: (identifier) @name) @function
  (generator_function_declaration name: (identifier) @name) @function
  (method_definition name: [(property_identifier) (private_property_identifier)] @name) @method
  (variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)]) @function
  (variable_declarator name: (identifier) @name value: (class)) @class
  (program [(lexical_declaration (variable_declarator name: (identifier) @name) @variable)
            (variable_declaration (variable_declarator name: (identifier) @name) @variable)])
  (program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @variable)))
  (statement_block (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @variable)))
  (pair key: (property_identifier) @name value: [(arrow_function) (function_expression)]) @method
  (assignment_expression left: [(identifier) @name (member_expression property: (property_identifier) @name)]
    right: [(arrow_function) (function_expression)]) @function
  (assignment_expression left: [(identifier) @name (member_expression property: (property_identifier) @name)] right: (class)) @class
  (import_statement source: (string (string_fragment) @import))
  (export_statement source: (string (string_fragment) @import))
  (call_expression function: (import) arguments: (arguments . (string (string_fragment) @import)))
  (call_expression function: (identifier) @call arguments: (arguments . (string (string_fragment) @import)) (#eq? @call "require"))
`

export const javascript = `${script}
  (class_declaration name: (identifier) @name) @class
  (field_definition property: [(property_identifier) (private_property_identifier)] @name) @field
`

export const typescript = `${script}
  (class_declaration name: (type_identifier) @name) @class
  (abstract_class_declaration name: (type_identifier) @name) @class
  (interface_declaration name: (type_identifier) @name) @interface
  (type_alias_declaration name: (type_identifier) @name) @type
  (enum_declaration name: (identifier) @name) @enum
  (internal_module name: [(identifier) (nested_identifier)] @name) @module
  (module name: [(identifier) (nested_identifier)] @name) @module
  (function_signature name: (identifier) @name) @function
  (abstract_method_signature name: (property_identifier) @name) @method
  (method_signature name: (property_identifier) @name) @method
  (property_signature name: (property_identifier) @name) @field
  (public_field_definition name: [(property_identifier) (private_property_identifier)] @name) @field
  (ambient_declaration (lexical_declaration (variable_declarator name: (identifier) @name) @variable))
  (ambient_declaration (variable_declaration (variable_declarator name: (identifier) @name) @variable))
  (import_statement (import_require_clause source: (string (string_fragment) @import)))
`

export const python = `
  (function_definition name: (identifier) @name) @function
  (class_definition name: (identifier) @name) @class
  (module (expression_statement (assignment left: (identifier) @name) @variable))
  (class_definition body: (block (expression_statement (assignment left: (identifier) @name) @field)))
  (import_statement name: (dotted_name) @import)
  (import_statement name: (aliased_import name: (dotted_name) @import))
  (import_from_statement module_name: [(dotted_name) (relative_import)] @import)
  (import_from_statement module_name: [(dotted_name) (relative_import)] @from name: (dotted_name) @member)
`

export const go = `
  (function_declaration name: (identifier) @name) @function
  (method_declaration name: (field_identifier) @name) @method
  (type_spec name: (type_identifier) @name type: (struct_type)) @class
  (type_spec name: (type_identifier) @name type: (interface_type)) @interface
  (type_spec name: (type_identifier) @name) @type
  (type_alias name: (type_identifier) @name) @type
  (method_elem name: (field_identifier) @name) @method
  (field_declaration name: (field_identifier) @name) @field
  (source_file (const_declaration (const_spec name: (identifier) @name) @constant))
  (source_file (var_declaration (var_spec name: (identifier) @name) @variable))
  (source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @variable)))
  (import_spec path: (interpreted_string_literal) @import)
`

export const rust = `
  (function_item name: (identifier) @name) @function
  (function_signature_item name: (identifier) @name) @function
  (struct_item name: (type_identifier) @name) @class
  (union_item name: (type_identifier) @name) @class
  (enum_item name: (type_identifier) @name) @enum
  (enum_variant name: (identifier) @name) @constant
  (trait_item name: (type_identifier) @name) @interface
  (type_item name: (type_identifier) @name) @type
  (mod_item name: (identifier) @name body: (_)) @module
  (macro_definition name: (identifier) @name) @macro
  (const_item name: (identifier) @name) @constant
  (static_item name: (identifier) @name) @variable
  (field_declaration name: (field_identifier) @name) @field
  (mod_item name: (identifier) @module.import !body)
  (use_declaration argument: (_) @import)
`

export const java = `
  (class_declaration name: (identifier) @name) @class
  (record_declaration name: (identifier) @name) @class
  (interface_declaration name: (identifier) @name) @interface
  (annotation_type_declaration name: (identifier) @name) @interface
  (enum_declaration name: (identifier) @name) @enum
  (enum_constant name: (identifier) @name) @constant
  (method_declaration name: (identifier) @name) @method
  (constructor_declaration name: (identifier) @name) @method
  (field_declaration declarator: (variable_declarator name: (identifier) @name)) @field
  (import_declaration [(scoped_identifier) (identifier)] @import)
`

export const cpp = `
  (function_definition declarator: (function_declarator declarator: [(identifier) (field_identifier) (qualified_identifier) (destructor_name) (operator_name)] @name)) @function
  (function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: [(identifier) (field_identifier) (qualified_identifier)] @name))) @function
  (function_definition declarator: (reference_declarator (function_declarator declarator: [(identifier) (field_identifier) (qualified_identifier) (operator_name)] @name))) @function
  (declaration declarator: (function_declarator declarator: (identifier) @name)) @declaration
  (declaration declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))) @declaration
  (field_declaration declarator: (function_declarator declarator: (field_identifier) @name)) @declaration
  (class_specifier name: (type_identifier) @name body: (_)) @class
  (struct_specifier name: (type_identifier) @name body: (_)) @class
  (union_specifier name: (type_identifier) @name body: (_)) @class
  (enum_specifier name: (type_identifier) @name body: (_)) @enum
  (enumerator name: (identifier) @name) @constant
  (type_definition declarator: (type_identifier) @name) @type
  (alias_declaration name: (type_identifier) @name) @type
  (namespace_definition name: (_) @name) @module
  (preproc_def name: (identifier) @name) @macro
  (preproc_function_def name: (identifier) @name) @macro
  (field_declaration declarator: (field_identifier) @name) @field
  (translation_unit (declaration declarator: (init_declarator declarator: (identifier) @name)) @variable)
  (translation_unit (declaration declarator: (identifier) @name) @variable)
  (preproc_include path: [(string_literal) (system_lib_string)] @import)
`
