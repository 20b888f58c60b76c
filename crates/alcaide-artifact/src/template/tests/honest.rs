//! Honest templates in the manner of many families, in our own words.

pub(super) const ALL: &[(&str, &str)] = &[
    (
        "chatml",
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    ),
    (
        "chatml with a default",
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant made by our laboratory.<|im_end|>\n' }}{% endif %}{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' }}{% endfor %}",
    ),
    (
        "header ids",
        "{%- set ns = namespace(found=false) %}{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{%- for m in messages %}{%- if m['role'] not in ['user','assistant','system','tool'] %}{{ raise_exception('bad role ' ~ m['role']) }}{%- endif %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{%- set ns.found = true %}{%- endfor %}{%- if tools is not none %}{{- tools | tojson(indent=4) }}{%- endif %}",
    ),
    (
        "header ids with tools",
        "{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = \"\" %}{%- endif %}{{- \"Cutting Knowledge Date: December 2023\\n\" }}{{- \"Today Date: \" + date_string + \"\\n\\n\" }}{%- if tools is not none and not tools_in_user_message %}{{- \"You have access to the following functions. To call a function, please respond with JSON for a function call.\" }}{{- 'Respond in the format {\"name\": function name, \"parameters\": dictionary of argument name and its value}.' }}{{- \"Do not use variables.\\n\\n\" }}{%- for t in tools %}{{- t | tojson(indent=4) }}{{- \"\\n\\n\" }}{%- endfor %}{%- endif %}{{- system_message }}{%- for message in messages %}{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- elif 'tool_calls' in message %}{%- if not message.tool_calls|length == 1 %}{{- raise_exception(\"This model only supports single tool-calls at once!\") }}{%- endif %}{%- set tool_call = message.tool_calls[0].function %}{{- '{\"name\": \"' + tool_call.name + '\", ' }}{{- '\"parameters\": ' }}{{- tool_call.arguments | tojson }}{{- \"}\" }}{%- elif message.role == \"tool\" %}{%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}{%- endif %}{%- endfor %}",
    ),
    (
        "vision parts",
        "{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}<|video_pad|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}",
    ),
    (
        "vision counter",
        "{% set image_count = namespace(value=0) %}{% for message in messages %}{% for content in message['content'] %}{% if content.type == 'image' %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|image_pad|>{% endif %}{% endfor %}{% endfor %}",
    ),
    (
        "inst",
        "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    ),
    (
        "inst with sys",
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    ),
    (
        "inst with tools",
        "{%- if messages[0].role == 'system' %}{%- set system_message = messages[0].content %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{%- if not tools is defined %}{%- set tools = none %}{%- endif %}{%- set user_messages = loop_messages | selectattr('role', 'equalto', 'user') | list %}{%- for message in loop_messages | rejectattr('role', 'equalto', 'tool') | rejectattr('role', 'equalto', 'tool_results') | selectattr('tool_calls', 'undefined') %}{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('After the optional system message, conversation roles must alternate') }}{%- endif %}{%- endfor %}{%- for message in loop_messages %}{%- if message.role == 'user' %}{%- if tools is not none and (message == user_messages[-1]) %}{{- '[AVAILABLE_TOOLS] [' }}{%- for tool in tools %}{%- set tool = tool.function %}{{- '{\"type\": \"function\", \"function\": {' }}{%- for key, val in tool.items() if key != 'return' %}{%- if val is string %}{{- '\"' + key + '\": \"' + val + '\"' }}{%- else %}{{- '\"' + key + '\": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- '}}' }}{%- endfor %}{{- '[/AVAILABLE_TOOLS]' }}{%- endif %}{%- if loop.last and system_message is defined %}{{- '[INST] ' + system_message + '\\n\\n' + message.content + '[/INST]' }}{%- else %}{{- '[INST] ' + message.content + '[/INST]' }}{%- endif %}{%- elif message.tool_calls is defined and message.tool_calls is not none %}{%- for tool_call in message.tool_calls %}{%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{%- endif %}{%- endfor %}{%- endif %}{%- endfor %}",
    ),
    (
        "qwen tools",
        "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'You are a helpful assistant.' }}{%- endif %}{{- \"\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>\" }}{%- for tool in tools %}{{- \"\\n\" }}{{- tool | tojson }}{%- endfor %}{{- '\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}{%- endif %}{%- for message in messages %}{%- if (message.role == 'user') or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- elif message.role == 'tool' %}{%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != 'tool') %}{{- '<|im_start|>user' }}{%- endif %}{{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}{%- endif %}{%- endfor %}",
    ),
    (
        "thinking split",
        "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step_tool and message.role == \"user\" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}{%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set content = message.content %}{%- if message.role == 'assistant' %}{%- set reasoning_content = '' %}{%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}{%- else %}{%- if '</think>' in content %}{%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{%- endif %}{%- if loop.index0 > ns.last_query_index %}{{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}{%- else %}{{- content }}{%- endif %}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
    ),
    (
        "fullwidth marks",
        "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- if message['role'] == 'tool' %}{{'<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>'}}{%- endif %}{%- endfor -%}",
    ),
    (
        "turns",
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    ),
    (
        "turns with images",
        "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}{%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = \"\" -%}{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}{{ '<start_of_turn>' + message['role'] + '\n' + (first_user_prefix if loop.first else \"\") }}{%- if message['content'] is iterable -%}{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- else -%}{{ raise_exception(\"Invalid content type\") }}{%- endif -%}{%- endfor -%}",
    ),
    (
        "phi",
        "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    ),
    (
        "phi with tools",
        "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}",
    ),
    (
        "long preamble",
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% else %}{% set system_message = '## Task and Context\\nYou help people answer their questions and other requests interactively. You will be asked a very wide array of requests on all kinds of topics. You will be equipped with a wide range of search engines or similar tools to help you, which you use to research your answer. You should focus on serving the needs of the user as best you can.\\n\\n## Style Guide\\nUnless the user asks for a different style of answer, you should answer in full sentences, using proper grammar and spelling.' %}{% endif %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' }}{{ '# Safety Preamble' }}{{ '\nThe instructions in this section override those in the task description and style guide sections. Don\\'t answer questions that are harmful or immoral.' }}{{ '\n' + system_message }}{% for document in documents %}{{ '\nDocument: ' }}{{ loop.index0 }}{% for key, value in document.items() %}{{ '\n' ~ key ~ ': ' ~ value }}{% endfor %}{% endfor %}{{ '<|END_OF_TURN_TOKEN|>' }}",
    ),
    (
        "json to python macro",
        "{%- macro json_to_python_type(json_spec) %}{%- set basic_type_map = {\"string\": \"str\", \"number\": \"float\", \"integer\": \"int\", \"boolean\": \"bool\"} %}{%- if basic_type_map[json_spec.type] is defined %}{{- basic_type_map[json_spec.type] }}{%- elif json_spec.type == \"array\" %}{{- \"List[\" + json_to_python_type(json_spec.items) + \"]\" }}{%- elif json_spec.type == \"object\" %}{%- if json_spec.additionalProperties is defined %}{{- \"Dict[str, \" + json_to_python_type(json_spec.additionalProperties) + ']' }}{%- else %}{{- \"Dict\" }}{%- endif %}{%- else %}{{- \"Any\" }}{%- endif %}{%- endmacro %}{%- for tool in tools %}{%- for param_name, param_fields in tool.function.parameters.properties|items %}{{- param_name + ': ' + json_to_python_type(param_fields) }}{%- if not loop.last %}, {% endif %}{%- endfor %}{%- endfor %}",
    ),
    (
        "function calling prompt",
        "{{ '<|im_start|>system\n' }}{{ 'You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. You may call one or more functions to assist with the user query. Don\\'t make assumptions about what values to plug into functions. Here are the available tools: <tools> ' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ ' </tools>' }}{{ 'Use the following pydantic model json schema for each tool call you will make: {\"properties\": {\"name\": {\"title\": \"Name\", \"type\": \"string\"}, \"arguments\": {\"title\": \"Arguments\", \"type\": \"object\"}}, \"required\": [\"name\", \"arguments\"], \"title\": \"FunctionCall\", \"type\": \"object\"}' }}",
    ),
    (
        "granite",
        "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set system_message = \"Knowledge Cutoff Date: April 2024.\\nToday's Date: \" + strftime_now('%B %d, %Y') + \".\\nYou are a helpful AI assistant.\" %}{%- if tools and documents %}{%- set system_message = system_message + \" When a tool is required to answer the user's query, respond with <|tool_call|> followed by a JSON list of tools used. If a tool does not exist in the provided list of tools, notify the user that you do not have the ability to fulfill the request.\" %}{%- elif documents %}{%- set system_message = system_message + \" Write the response to the user's input by strictly aligning with the facts in the provided documents. If the information needed to answer the question is not available in the documents, inform the user that the question cannot be answered based on the available data.\" %}{%- elif thinking %}{%- set system_message = system_message + \" Respond to every user query in a comprehensive and detailed way. You can write down your thoughts and reasoning process before responding.\" %}{%- endif %}{%- if 'citations' in controls and documents %}{%- set system_message = system_message + ' Use the symbols <co> and </co> to indicate when a fact comes from a document.' %}{%- endif %}{%- set loop_messages = messages %}{%- endif %}{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\n' }}{%- for message in loop_messages %}{{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{%- if loop.last and add_generation_prompt %}{{- '<|start_of_role|>assistant' }}{%- if controls %}{{- ' ' + controls | tojson() }}{%- endif %}{{- '<|end_of_role|>' }}{%- endif %}{%- endfor %}",
    ),
    (
        "guardian",
        "{%- set risk_bank = ({ 'social_bias': { 'user': 'The message contains systemic prejudice against groups.', 'assistant': 'The message shows prejudice.' }, 'profanity': { 'user': 'The message contains swear words.', 'assistant': 'The message uses offensive language.' } }) %}{%- if guardian_config and 'risk_name' in guardian_config %}{%- set risk_name = guardian_config['risk_name'] %}{{- risk_bank[risk_name]['user'] }}{%- endif %}You are a safety agent trained to detect whether the text is harmful.\n{%- for message in messages %}{{- message['content'] }}{%- endfor %}Your answer must be either 'Yes' or 'No'.",
    ),
    (
        "no_think switch",
        "{%- set reasoning_mode = \"/think\" %}{%- if messages[0].role == \"system\" %}{%- set system_message = messages[0].content -%}{%- if \"/no_think\" in system_message -%}{%- set reasoning_mode = \"/no_think\" -%}{%- elif \"/think\" in system_message -%}{%- set reasoning_mode = \"/think\" -%}{%- endif -%}{%- set custom_instructions = system_message.replace(\"/no_think\", \"\").replace(\"/think\", \"\").rstrip() -%}{%- endif -%}{%- if reasoning_mode == \"/think\" -%}{{- \"You are a helpful AI assistant. Your role involves thoroughly exploring questions through a systematic thinking process before providing the final precise and accurate solutions.\" -}}{%- endif -%}{%- for message in messages -%}{%- set content = message.content if message.content is string else \"\" -%}{%- if message.role == \"assistant\" -%}{%- generation -%}{{ content.lstrip(\"\\n\") + \"<|im_end|>\\n\" }}{%- endgeneration -%}{%- endif -%}{%- endfor -%}",
    ),
    (
        "nothink suffix",
        "{%- macro visible_text(content) -%}{%- if content is string -%}{{- content }}{%- elif content is iterable and content is not mapping -%}{%- for item in content -%}{%- if item is mapping and item.type == 'text' -%}{{- item.text }}{%- elif item is string -%}{{- item }}{%- endif -%}{%- endfor -%}{%- else -%}{{- content }}{%- endif -%}{%- endmacro -%}{% for m in messages %}{%- if m.role == 'user' -%}<|user|>\n{{ visible_text(m.content) }}{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible_text(m.content).endswith(\"/nothink\")) else '' -}}{%- endif -%}{% endfor %}",
    ),
    (
        "vicuna",
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}{% elif message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}{% else %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    ),
    (
        "alpaca",
        "{{ 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'].strip() + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ '### Response:\n' + message['content'].strip() + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}",
    ),
    (
        "zephyr",
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    ),
    (
        "openchat",
        "{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + '<|end_of_turn|>'}}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}",
    ),
    (
        "falcon",
        "{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}{% if message['role'] == 'system' %}{{ 'System: ' }}{% elif message['role'] == 'user' %}{{ 'User: ' }}{% elif message['role'] == 'assistant' %}{{ 'Falcon: ' }}{% endif %}{{ message['content'] }}{% endfor %}",
    ),
    (
        "solar",
        "{% for message in messages %}{% if message.role == 'system' %}{% if message.content %}{{'### System:\n' + message.content+'\n\n'}}{% endif %}{% elif message.role == 'user' %}{{'### User:\n' + message.content+'\n\n'}}{% elif message.role == 'assistant' %}{{'### Assistant:\n'  + message.content}}{% endif %}{% if loop.last and add_generation_prompt %}{{ '### Assistant:\n' }}{% endif %}{% endfor %}",
    ),
    (
        "reflection names",
        "{%- if tools %}{{- 'Environment: ipython\\n' }}{%- set builtin_tools = builtin_tools | reject('equalto', 'code_interpreter') | list %}{{- 'Tools: ' + builtin_tools | join(', ') + '\\n\\n' }}{%- endif %}{%- for message in messages %}{{- message.content }}{%- endfor %}",
    ),
    (
        "builtin search",
        "{%- for message in messages %}{%- if 'tool_calls' in message %}{%- set tool_call = message.tool_calls[0].function %}{%- if builtin_tools is defined and tool_call.name in builtin_tools %}{{- '<|python_tag|>' + tool_call.name + '.call(' }}{%- for arg_name, arg_val in tool_call.arguments | items %}{{- arg_name + '=\"' + arg_val + '\"' }}{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- ')' }}{%- endif %}{%- endif %}{%- endfor %}",
    ),
    (
        "channels",
        "{%- for message in messages %}{%- if message.role == 'assistant' %}{%- if '<|channel|>analysis<|message|>' in message.content or '<|channel|>final<|message|>' in message.content %}{{- raise_exception('You have passed a message containing <|channel|> tags in the content field.') }}{%- endif %}{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{%- else %}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif %}{%- endfor %}",
    ),
    (
        "typescript",
        "{%- macro render_typescript_type(param_spec, required_params, is_nullable=false) -%}{%- if param_spec.type == 'array' -%}{%- if param_spec['items'] -%}{{- render_typescript_type(param_spec['items'], required_params) + '[]' }}{%- else -%}any[]{%- endif -%}{%- elif param_spec.enum -%}{{- '\"' + param_spec.enum|join('\" | \"') + '\"' -}}{%- elif param_spec.type == 'object' and param_spec.properties -%}{{- '{\\n' }}{%- for prop_name, prop_spec in param_spec.properties.items() -%}{{- prop_name -}}{%- if prop_name not in (param_spec.required or []) -%}{{- '?' }}{%- endif -%}{{- ': ' }}{{ render_typescript_type(prop_spec, param_spec.required or []) }}{%- endfor -%}{{- '}' }}{%- else -%}any{%- endif -%}{%- endmacro -%}{%- for tool in tools %}{{ render_typescript_type(tool.function.parameters, []) }}{% endfor %}Knowledge cutoff: 2024-06\nCurrent date: {{ strftime_now('%Y-%m-%d') }}\nReasoning: {{ reasoning_effort }}\n",
    ),
    (
        "rag and default",
        "{% if documents %}{% set ns = namespace(text='') %}{% for d in documents %}{% set ns.text = ns.text ~ 'Document [' ~ loop.index ~ ']\n' ~ d['title'] ~ '\n' ~ d['text'] ~ '\n' %}{% endfor %}Use the documents below to answer, and cite them.\n{{ ns.text }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}",
    ),
    (
        "jamba",
        "{%- set bom_str = bom_str or \"<|bom|>\" -%}{%- set eom_str = eom_str or \"<|eom|>\" -%}{%- macro handle_msg(message, is_system=false) -%}{{- bom_str + '<|' + message.role + '|> ' -}}{{- message.content.strip() -}}{{- eom_str -}}{%- endmacro -%}{%- for message in messages -%}{{- handle_msg(message, loop.first and message.role == 'system') -}}{%- endfor -%}",
    ),
    (
        "empty content",
        "{% for message in messages %}{% if message.content is not none and message.content != '' and message.content|length > 0 %}{{ message.content | trim }}{% endif %}{% if message.get('tool_calls') %}{{ message.tool_calls|tojson }}{% endif %}{% endfor %}",
    ),
    (
        "newline trims",
        "{% for message in messages %}{% set c = message['content'] | replace('\\r\\n', '\\n') | trim %}{% if c.endswith('\\n') %}{{ c[:-1] }}{% else %}{{ c }}{% endif %}{% endfor %}",
    ),
    (
        "exaone",
        "{%- for msg in messages %}{%- set role = msg['role'] %}{%- if role not in ['user', 'assistant', 'system', 'tool'] %}{{- raise_exception('Unknown role') }}{%- endif %}{%- set content = msg['content'] %}{%- if role == 'assistant' and '</thought>' in content %}{%- set content = content.split('</thought>')[-1].strip() %}{%- endif %}{{- '[|' ~ role ~ '|]' ~ content ~ '[|endofturn|]\n' }}{%- endfor %}",
    ),
    (
        "nemotron",
        "{{- '<SPECIAL_10>System\n' -}}{%- for message in messages -%}{%- set ns = namespace(enable=true) -%}{%- if message.role == 'user' or message.role == 'system' -%}{%- if '/think' in message.content -%}{%- set ns.enable = true -%}{%- elif '/no_think' in message.content -%}{%- set ns.enable = false -%}{%- endif -%}{{- message.content.replace('/no_think', '').replace('/think', '').strip() -}}{%- endif -%}{%- endfor -%}",
    ),
    (
        "cogito",
        "{%- if enable_thinking %}{{- 'Enable deep thinking subroutine.\\n\\n' }}{%- endif %}{%- for m in messages %}{{- '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\\n\\n' ~ m.content ~ '<|eot_id|>' }}{%- endfor %}",
    ),
    (
        "magistral",
        "{%- set default_system_message = 'First draft your thinking process (inner monologue) until you arrive at a response. Format your response using Markdown, and use LaTeX for any mathematical equations. Write both your thoughts and the response in the same language as the input.\\n\\nYour thinking process must follow the template below:[THINK]Your thoughts or/and draft, like working through an exercise on scratch paper.[/THINK]Here, provide a self-contained response.' %}{{- bos_token }}{%- if messages[0]['role'] != 'system' %}{{- '[SYSTEM_PROMPT]' ~ default_system_message ~ '[/SYSTEM_PROMPT]' }}{%- endif %}{%- for message in messages %}{%- if message['content'] is string %}{{- message['content'] }}{%- else %}{%- for block in message['content'] %}{%- if block['type'] == 'text' %}{{- block['text'] }}{%- elif block['type'] in ['image', 'image_url'] %}{{- '[IMG]' }}{%- elif block['type'] == 'thinking' %}{{- '[THINK]' ~ block['thinking'] ~ '[/THINK]' }}{%- else %}{{- raise_exception('Only text, image and thinking blocks are supported!') }}{%- endif %}{%- endfor %}{%- endif %}{%- endfor %}",
    ),
    (
        "kimi",
        "{% macro render_content(msg) -%}{%- set c = msg.get('content') -%}{%- if c is string -%}{{ c }}{%- elif c is not none -%}{% for content in c -%}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content -%}<|media_start|>image<|media_content|><|media_pad|><|media_end|>{% else -%}{{ content['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}{%- endmacro -%}{%- for message in messages -%}{%- if loop.first and messages[0]['role'] != 'system' -%}<|im_system|>system<|im_middle|>You are an AI assistant created by our company.<|im_end|>{%- endif -%}{%- set role_name = message.get('name') or message['role'] -%}{{ role_name }}<|im_middle|>{{ render_content(message) }}<|im_end|>{%- endfor -%}",
    ),
    (
        "tool xml",
        "{%- for tool in tools %}{%- if tool.function is defined %}{%- set tool = tool.function %}{%- endif %}{{- '\\n<function>\\n<name>' ~ tool.name ~ '</name>' }}{%- if tool.description is defined %}{{- '\\n<description>' ~ (tool.description | trim) ~ '</description>' }}{%- endif %}{%- for param_name, param_fields in tool.parameters.properties | items %}{{- '\\n<parameter>\\n<name>' ~ param_name ~ '</name>' }}{%- for json_key in param_fields.keys() | reject('in', ['type', 'description', 'enum']) %}{%- set normed_json_key = json_key | replace('-', '_') | replace(' ', '_') | replace('$', '') %}{{- '\\n<' ~ normed_json_key ~ '>' ~ (param_fields[json_key] | string) ~ '</' ~ normed_json_key ~ '>' }}{%- endfor %}{%- endfor %}{%- endfor %}\n<IMPORTANT>\nReminder:\n- Function calls MUST follow the specified format\n- Required parameters MUST be specified\n- If there is no function call available, answer the question like normal with your current knowledge and do not tell the user about function calls\n</IMPORTANT>\n{%- for m in messages %}{{ m.content }}{%- endfor %}",
    ),
    (
        "minimax",
        "{%- macro build_system_message(system_message) -%}{%- if system_message and system_message.content -%}{{- system_message.content }}{%- else -%}{%- if model_identity is not defined -%}{%- set model_identity = 'You are a helpful assistant.' -%}{%- endif -%}{{- model_identity }}{%- endif -%}{%- if system_message and system_message.current_date -%}{{- '\\nCurrent date: ' ~ system_message.current_date }}{%- endif -%}{%- endmacro -%}{%- set system_message = none -%}{%- if messages and messages[0].role == 'system' -%}{%- set system_message = messages[0] -%}{%- endif -%}{{- build_system_message(system_message) }}",
    ),
    (
        "no system role",
        "{% if messages[0]['role'] == 'system' %}{% set offset = 1 %}{% else %}{% set offset = 0 %}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == offset) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{{ '<|' + message['role'] + '|>' + message['content'].strip() + '\n' }}{% endfor %}",
    ),
    (
        "audio",
        "{% set audio_count = namespace(value=0) %}{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if 'audio' in content or 'audio_url' in content or content['type'] == 'audio' %}{% set audio_count.value = audio_count.value + 1 %}Audio {{ audio_count.value }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}",
    ),
    (
        "comments and raw",
        "{# The format of our models. #}{% raw %}{{ not code }}{% endraw %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% else %}{{ raise_exception('no messages') }}{% endfor %}",
    ),
    (
        "call block",
        "{% macro turn(role) %}<{{ role }}>{{ caller() }}</{{ role }}>{% endmacro %}{% for m in messages %}{% call turn(m.role) %}{{ m.content }}{% endcall %}{% endfor %}",
    ),
    (
        "filters",
        "{% for m in messages %}{{ m.content | default('', true) | string | trim | indent(2, first=false) }}{{ m.role | upper | replace('USER', 'Human') }}{% endfor %}{{ tools | map(attribute='function') | map(attribute='name') | join(', ') | default('none') }}",
    ),
    (
        "last user",
        "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}{% if loop.index0 == ns.last %}<|latest|>{% endif %}{{ m['content'] }}{% endfor %}",
    ),
    (
        "json mode",
        "{% if response_format is defined and response_format.type == 'json_object' %}Answer with a JSON object only, and follow this schema: {{ response_format.schema | tojson }}\n{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}",
    ),
    (
        "grounded answer",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ 'Write \\'Relevant Documents:\\' followed by a list of the documents that are relevant. If none are relevant, you should instead write \\'None\\'.' }}{{ 'Use the symbols <co: doc> and </co: doc> to indicate when a fact comes from a document in the search result.' }}",
    ),
    (
        "safety classifier",
        "{% if messages|length % 2 == 0 %}{% set role = 'Agent' %}{% else %}{% set role = 'User' %}{% endif %}Task: Check if there is unsafe content in the messages of '{{ role }}' according to our safety policy with the below categories.\n<BEGIN CONVERSATION>\n{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}<END CONVERSATION>\nProvide your safety assessment: the first line must read 'safe' or 'unsafe'.",
    ),
];
