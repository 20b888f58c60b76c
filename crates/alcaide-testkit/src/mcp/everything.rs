//! The server itself, by the types of the library.

#![expect(
    deprecated,
    reason = "the suite tests log messages and sampling, which the newest revision deprecates"
)]

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    ElicitRequest, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerConfig, ServerRequest,
    SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::material::{self, PNG, WAV};

/// Between two notifications of one call: the suite asks for about as much.
const PAUSE: Duration = Duration::from_millis(50);

/// A server with everything that the conformance suite asks for.
#[derive(Clone, Debug)]
pub(super) struct Everything {
    about: Arc<ServerConfig>,
}

type Context = RequestContext<RoleServer>;

impl Everything {
    pub(super) fn new() -> Result<Self, serde_json::Error> {
        Ok(Self { about: Arc::new(serde_json::from_value(material::about())?) })
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// A result as the newest revision has it; the library takes out what an older one does not know.
fn whole<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    if let Some(result) = result.as_object_mut() {
        result.insert("resultType".into(), json!("complete"));
    }
    typed(result)
}

fn complete(content: Value) -> Result<CallToolResult, ErrorData> {
    whole(json!({"content": content}))
}

fn failed(text: &str) -> Result<CallToolResult, ErrorData> {
    whole(json!({"content": [{"type": "text", "text": text}], "isError": true}))
}

fn text(text: impl Into<String>) -> Value {
    json!({"type": "text", "text": text.into()})
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::clone(&self.about)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        whole(material::tools())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let argument =
            |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let picture = json!({"type": "image", "data": PNG, "mimeType": "image/png"});
        let resource = |uri: &str, kind: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}});
        let result = match request.name.as_ref() {
            "test_simple_text" => complete(json!([text("This is a simple text response for testing.")])),
            "test_image_content" => complete(json!([picture])),
            "test_audio_content" => {
                complete(json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]))
            }
            "test_embedded_resource" => complete(json!([resource(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content."
            )])),
            "test_multiple_content_types" => {
                let json = r#"{"test":"data","value":123}"#;
                let resource = resource("test://mixed-content-resource", "application/json", json);
                complete(json!([text("Multiple content types test:"), picture, resource]))
            }
            "test_error_handling" => failed("This tool intentionally returns an error for testing"),
            "test_reconnection" => complete(json!([text("The stream went on.")])),
            "json_schema_2020_12_tool" => complete(json!([text(arguments.to_string())])),
            "add" => {
                let number = |name: &str| arguments.get(name).and_then(Value::as_i64).unwrap_or_default();
                let sum = number("a").wrapping_add(number("b"));
                whole(json!({"content": [text(sum.to_string())], "structuredContent": {"sum": sum}}))
            }
            "test_tool_with_logging" => logging(&context).await,
            "test_tool_with_progress" => progress(&context).await,
            "test_sampling" => sampling(&context, &argument("prompt")).await,
            "test_elicitation" => {
                let said = elicitation(&context, "test_elicitation", &argument("message")).await;
                said.and_then(|said| complete(json!([text(format!("User response: {said}"))])))
            }
            tool @ ("test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums") => {
                let said = elicitation(&context, tool, "Please fill in the form.").await;
                said.and_then(|said| complete(json!([text(format!("Elicitation completed: {said}"))])))
            }
            other => Err(ErrorData::invalid_params(format!("unknown tool: {other}"), None)),
        };
        result.map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        whole(material::prompts())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = json!(request.arguments);
        let argument =
            |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let unknown = || ErrorData::invalid_params(format!("unknown prompt: {}", request.name), None);
        let prompt = material::prompt(&request.name, argument).ok_or_else(unknown)?;
        whole::<GetPromptResult>(prompt).map(Into::into)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        whole(material::resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        whole(material::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let unknown = || {
            let data = json!({"uri": request.uri});
            ErrorData::new(ErrorCode::RESOURCE_NOT_FOUND, "resource not found", Some(data))
        };
        let contents = material::resource(&request.uri).ok_or_else(unknown)?;
        whole::<ReadResourceResult>(contents).map(Into::into)
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let begun = request.argument.value;
        let words = ["paris", "park", "party", "test", "testing"];
        let values: Vec<_> = words.into_iter().filter(|word| word.starts_with(&begun)).collect();
        whole(json!({"completion": {"total": values.len(), "values": values, "hasMore": false}}))
    }
}

async fn logging(context: &Context) -> Result<CallToolResult, ErrorData> {
    for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(said));
        // A caller that is gone hears nothing.
        let _ = context.peer.notify_logging_message(message).await;
        tokio::time::sleep(PAUSE).await;
    }
    complete(json!([text("Told three times.")]))
}

async fn progress(context: &Context) -> Result<CallToolResult, ErrorData> {
    let token = context.meta.get_progress_token();
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = token.clone() {
            let told = ProgressNotificationParam::new(token, done).with_total(100.0);
            let _ = context.peer.notify_progress(told).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    complete(json!([text("Done.")]))
}

async fn sampling(context: &Context, prompt: &str) -> Result<CallToolResult, ErrorData> {
    let message = json!({"role": "user", "content": text(prompt)});
    let asked = typed(json!({"messages": [message], "maxTokens": 100}))?;
    match context.peer.create_message(asked).await {
        Ok(said) => {
            let said = json!(said);
            let words = said.pointer("/content/text").and_then(Value::as_str).unwrap_or_default();
            complete(json!([text(format!("LLM response: {words}"))]))
        }
        Err(error) => failed(&error.to_string()),
    }
}

async fn elicitation(context: &Context, tool: &str, message: &str) -> Result<String, ErrorData> {
    let form = material::form(tool, message).unwrap_or_default();
    let asked = ServerRequest::ElicitRequest(ElicitRequest::new(typed(form)?));
    match context.peer.send_request(asked).await {
        Ok(said) => {
            let said = json!(said);
            let action = said.get("action").and_then(Value::as_str).unwrap_or_default();
            Ok(format!("action={action}, content={}", said.get("content").unwrap_or(&Value::Null)))
        }
        Err(error) => Ok(error.to_string()),
    }
}
