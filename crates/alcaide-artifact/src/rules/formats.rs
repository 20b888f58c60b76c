//! Rules of tensor files, chat templates and what lies beside them in a repository.

rules! {
    STRUCTURE = "structure-broken", Medium, "the structure contradicts itself or the file's size", "fetch the file again; if its digest is right, refuse it: readers may crash on it or disagree";
    COUNT_TOO_LARGE = "count-too-large", High, "a count or length asks for more than the file can hold", "refuse it: a reader that trusts the number allocates it or runs past its end";
    OVERFLOW = "size-overflow", High, "a size computed from the file's numbers does not fit in 64 bits", "refuse it: a reader that wraps round takes too little memory and writes past it";
    OUT_OF_BOUNDS = "range-out-of-bounds", Medium, "a range reaches past the end of the file", "fetch the file again; it is cut short or forged";
    OVERLAP = "ranges-overlap", Medium, "two things claim the same bytes", "refuse it: one of the two is not what its owner wrote";
    GAP = "bytes-between", Medium, "bytes that nothing in the file's own list claims", "refuse it, or look at the bytes: hidden content travels there";
    TAIL = "bytes-after-end", Medium, "bytes after the end of what the file lists", "refuse it, or look at the bytes: hidden content travels there";
    TWICE = "name-twice", Medium, "a name that must be unique is there twice", "refuse it: two readers may each take another one";
    TYPE_UNKNOWN = "type-unknown", None, "a type of numbers that is not known here", "ask for a file in a type with a published layout, or update the rules";
    CIPHERTEXT = "ciphertext", None, "the numbers are encrypted, so nothing is known of them", "open it with its key first; a plain reader takes the ciphertext for weights";
    TEXT_CODE = "code-in-text", Low, "code, a command or a script stands in a text that describes the model", "ask why; whoever shows or evaluates the text may run it";
    TEXT_SECRET = "secret-in-text", Medium, "a key or token stands in the file", "revoke it with whoever issued it, and ask for a file without it";
    PATH_ESCAPE = "path-escapes", High, "a path leads out of the model's own folder", "refuse it: the loader reads or writes where the path says";
    TEMPLATE_SANDBOX = "template-reaches-interpreter", Critical, "the chat template reaches for the interpreter behind its values", "refuse it: rendering it outside a perfect sandbox runs code";
    TEMPLATE_PRIVATE = "template-private-name", High, "the chat template asks for a private name or for one that it computes", "refuse it, or read the template: no prompt format needs that";
    TEMPLATE_LOADS = "template-loads-other", High, "the chat template includes, imports or extends another", "refuse it: what it does is decided elsewhere";
    TEMPLATE_BOMB = "template-bomb", High, "the chat template asks for work or text without a sane bound", "refuse it: rendering it stops the server";
    TEMPLATE_GATE = "template-content-gate", Medium, "the chat template branches on what a message says, not on how it is marked", "compare it with the upstream template; such a branch waits for a trigger";
    TEMPLATE_DATE = "template-date-gate", Medium, "the chat template branches on the date", "compare it with the upstream template; such a branch waits for its day";
    TEMPLATE_HIDDEN = "template-hidden-instruction", High, "the chat template gives the model instructions that the user does not see, in a branch that waits for a trigger or in words that ask for concealment", "refuse it, and compare it with the upstream template";
    TEMPLATE_EMITS = "template-emits-link", High, "the chat template writes a link, an image or markup, with what was said within it or ready for the model to repeat", "refuse it: whatever renders the answer sends it there";
    TEMPLATE_REWRITES = "template-rewrites-message", Medium, "the chat template changes the words of a message", "compare it with the upstream template; the model reads something else than was said";
    TEMPLATE_CONCEALS = "template-conceals-text", Medium, "the chat template has invisible or encoded text in it", "decode it and read what it says before the template is used";
    TEMPLATE_UNCLEAR = "template-unclear", None, "a part of the chat template cannot be judged", "read the template at this place";
    PYTHON_NOW = "python-runs-at-import", Critical, "a Python file runs commands or code when it is imported", "refuse it, or load the weights without its code";
    PYTHON_EFFECT = "python-effect-at-import", High, "a Python file opens connections, changes files, unpickles or loads machine code when it is imported", "refuse it, or read the file before any loader does";
    PYTHON_LATER = "python-runs-commands", High, "a Python file runs commands when what it defines is used", "read the file before any loader does";
    PYTHON_HIDDEN = "python-hidden-code", Critical, "a Python file runs code, or asks for names, that it first decodes", "refuse it: honest code has nothing to hide";
    PYTHON_UNCLEAR = "python-unclear", None, "a part of a Python file cannot be judged", "read the file at this place";
    EXECUTABLE = "executable-inside", High, "a program stands in the file", "refuse it: weights need no programs";
    REMOTE_CODE_ELSEWHERE = "remote-code-elsewhere", High, "the configuration has the loader run code of another repository", "refuse it, or load without remote code; the other repository may change at any time";
    REMOTE_CODE = "remote-code", Medium, "the configuration has the loader run code that comes with the model", "load it without remote code, or read that code and pin it";
    CALLABLE = "callable-named", Critical, "the configuration names something to call that runs commands or code", "refuse it: the loader calls what is named";
    CALLABLE_UNKNOWN = "callable-unknown", None, "the configuration names something to call that is not known", "read what the name stands for";
    SOURCE_ELSEWHERE = "source-elsewhere", Medium, "something is fetched from a place that the configuration names", "pin it by digest and host it yourself, or refuse it";
    YAML_OBJECT = "yaml-makes-objects", Critical, "a YAML tag makes an object or calls a function of Python", "refuse it; a safe loader stops there, others call it";
    YAML_BOMB = "yaml-bomb", High, "YAML aliases unfold into more than anybody needs, or brackets nest without end", "refuse it: reading it stops the program";
    SCRIPT = "script-effect", High, "a shell script or a start file runs commands when it is used", "read it before anybody runs it";
    MARKUP = "markup-active", Low, "a page has scripts or frames in it", "show it as text, or strip its markup";
}
