//! Rules of the readers of graphs, layers and boosters.

rules! {
    BROKEN = "structure-broken", Medium, "the bytes break a rule of their own format, so that loaders differ in what they make of them", "fetch the file again and compare its digest; refuse it if it stays broken";
    TWICE = "field-given-twice", Medium, "a field that comes once is given twice with room for two readings", "write the model again with its framework's own tools";
    DEEP = "nested-too-deep", Medium, "structures are nested deeper than loaders follow, which ends in an error or an exhausted stack", "refuse the file; no exporter nests so deep";
    UNKNOWN_FIELD = "unknown-field", None, "a field that the format does not have, or not in any version that is read here", "ask the maker what it is, or write the model again";
    PATH_OUTSIDE = "path-outside", High, "the model names a file outside of its own folder, which the loader would read or write", "refuse the model; its parts belong beside it";
    SIZE_OVERFLOW = "size-overflow", Medium, "a tensor declares more elements than a machine can count", "refuse the file; loaders that multiply without care write past their memory";
    LENGTH_MISMATCH = "length-mismatch", Medium, "a tensor declares another number of bytes than it has", "refuse the file; loaders that trust the shape read past the data";
    RANGE_BROKEN = "external-range-broken", Medium, "where a tensor's numbers lie in another file is no range, or not the one its shape needs", "write the model again with its framework's own tools";
    CODE_IN_TEXT = "code-in-text", Low, "a text of the model holds program code", "read the text; remove it if nobody needs it";
    EXECUTABLE_WITHIN = "executable-within", High, "the model carries an executable or a shared library", "refuse the model; weights hold numbers";
    NATIVE_BLOB = "native-blob", None, "the model carries a compiled program for an accelerator, which cannot be looked into", "take the model in a form that declares its operators";

    ONNX_SCRIPT = "onnx-script-operator", Critical, "an operator that runs Python or another script", "refuse the model, or export it without that operator";
    ONNX_REACH = "onnx-reaching-operator", High, "an operator that calls another machine or reads a file", "refuse the model, or export it without that operator";
    ONNX_FOREIGN = "onnx-foreign-operator", Medium, "an operator of a domain that neither ONNX nor a known runtime defines: it needs a library of somebody's own", "ask for the library's source, or export the model without that operator";
    ONNX_UNKNOWN = "onnx-unknown-operator", None, "an operator that the pack does not know in a domain that it does", "check what the operator does and add it to the pack";

    TF_PYTHON = "tensorflow-python", Critical, "an operator that calls a Python function or a registered native one", "refuse the model, or export it without that operator";
    TF_FILE = "tensorflow-file", High, "an operator that reads or writes files of the machine it runs on", "refuse the model, or export it without that operator";
    TF_NETWORK = "tensorflow-network", High, "an operator that talks to other machines", "refuse the model, or export it without that operator";
    TF_STOPS = "tensorflow-stops", Medium, "an operator that ends the process", "refuse the model, or export it without that operator";
    TF_UNKNOWN = "tensorflow-unknown-operator", None, "an operator that the pack does not know: it needs a library of its own", "check what the operator does and add it to the pack";

    KERAS_CODE = "keras-code", Critical, "a layer carries compiled Python code that runs when the model is loaded or called", "refuse the model, or ask for one whose layers are classes";
    KERAS_IMPORT = "keras-import", Critical, "an object of the configuration is a callable of a module that has no place in a model", "refuse the model";
    KERAS_GADGET = "keras-gadget", High, "an object of the configuration is a part of Keras or of its neighbours that loads files, code or other models", "refuse the model, or rebuild it without that object";
    KERAS_FILE = "keras-file", High, "a layer reads a file when it is loaded", "store the vocabulary in the layer";
    KERAS_LAMBDA = "keras-lambda", Medium, "a layer calls a function by name, from wherever the loader finds it", "replace the layer by a class";
    KERAS_CUSTOM = "keras-custom-object", None, "a class of the model's own, which the loader takes from the program that loads", "read the class in that program";

    HDF5_EXTERNAL = "hdf5-external", High, "a dataset or a link of the file lies in another file, which the loader opens", "refuse the file, or copy the data into it";
    HDF5_UNKNOWN = "hdf5-unknown", None, "a structure of HDF5 that is not read here", "write the file again with plain settings";

    XML_ENTITY = "xml-entity", High, "a document type declares entities, through which XML reads files and grows without bound", "refuse the file; model formats need no document type";
    XML_INCLUDE = "xml-include", High, "the document includes another file or names a style sheet that runs", "refuse the file";
    XML_SCRIPT = "xml-script", High, "an extension element of the document carries a script", "refuse the file, or remove the element";
    XML_LIBRARY = "xml-library", High, "the document names a native library to load", "refuse the file, or export it without that layer";

    SCRIPT_REACH = "torchscript-reaching-call", High, "code of the archive calls an operator that is not part of the tensor library's own", "read the code, or export the model without that call";
    SCRIPT_FOREIGN = "torchscript-foreign", Medium, "code of the archive is not in the language that the exporter writes", "refuse the archive, or export it again";

    SKOPS_CODE = "skops-code", Critical, "a node of the schema is a callable that runs commands, code or other loaders", "refuse the file";
    SKOPS_UNKNOWN = "skops-unknown-type", High, "a node of the schema is a function of a module that has no place in an estimator", "refuse the file";
    SKOPS_CUSTOM = "skops-custom-type", None, "a class that the pack does not know, which the loader imports", "check the class and trust it by name when loading";

    R_PROMISE = "r-promise", High, "an object of R holds a promise: an expression that R evaluates when the object is first looked at", "refuse the file; values need no promises";
    R_CALL = "r-call", High, "an object of R holds code that starts programs, fetches or loads machine code", "refuse the file";
    R_FUNCTION = "r-function", None, "an object of R holds functions, which nobody looked into", "read the functions, or ask for the parameters alone";

    CUSTOM_LAYER = "custom-layer", Medium, "a layer whose code lies in a class of somebody's own that the loader looks up by name", "ask for the source of the class";
    CUSTOM_OPERATOR = "custom-operator", Medium, "an operator of somebody's own, whose code lies in a library that the program must load", "ask for the source of the library";
    JSON_BROKEN = "json-broken", None, "text that claims to be JSON and is not, or is too large to be held", "fetch the file again and compare its digest";
}
