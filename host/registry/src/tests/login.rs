//! Who learns who we are.

use super::*;
use crate::{
    bounds::ANSWER_BYTES_MAX, credentials::Credentials, tls, transport::Transport, url::Origin,
};

/// Docker's configuration with a user for one registry.
fn docker_configuration(registry: &str, entry: &Value) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    fs::write(&file, json!({"auths": {registry: entry}}).to_string()).unwrap();
    (directory, file)
}

fn me() -> Value {
    json!({"auth": "bWU6c2VjcmV0"})
}

fn authorization(asked: &Asked) -> &str {
    asked.headers.get("authorization").map_or("", |it| it)
}

#[test]
fn a_token_is_asked_for_with_dockers_credentials() {
    for (entry, is_token) in [(me(), false), (json!({"identitytoken": "it"}), true)] {
        let files = files();
        let own = Arc::new(Mutex::new(String::new()));
        let realm = own.clone();
        let server = Server::new(move |asked| {
            if asked.path.starts_with("/token") {
                return answer(200, r#"{"token":"t0ken"}"#);
            }
            if authorization(asked) == "Bearer t0ken" {
                return serve(&files, asked);
            }
            let realm = realm.lock().unwrap();
            answer(401, "")
                .with("WWW-Authenticate", &format!("Bearer realm=\"{realm}\",service=\"s\""))
        });
        *own.lock().unwrap() = format!("http://{}/token", server.authority);
        let (_directory, file) = docker_configuration(&server.authority, &entry);
        let client = client(&server).with_credentials(Some(file));
        let mut place = place(&client, &server);
        Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
        let asked = server.asked();
        let token = asked.iter().find(|asked| asked.path.starts_with("/token")).unwrap();
        let scope = "service=s&scope=repository%3Aacme%2Flab%3Apull%2Cpush";
        if is_token {
            let form = String::from_utf8(token.body.clone()).unwrap();
            assert_eq!((&*token.method, authorization(token)), ("POST", ""));
            assert!(form.contains(scope) && form.ends_with("&refresh_token=it"), "{form}");
        } else {
            assert_eq!(authorization(token), "Basic bWU6c2VjcmV0");
            assert_eq!(token.path, format!("/token?{scope}"));
        }
    }
}

/// Asks a realm for a token of a registry that is spoken to by TLS, or in the clear.
fn token(realm: &Server, is_plain: bool) -> Result<String, String> {
    let registry = "registry.example";
    let transport = Transport {
        origin: Origin::of_registry(registry, is_plain),
        registry: registry.to_owned(),
        scope: "repository:acme/lab:pull".to_owned(),
        // As if the realm were another registry, which was declared.
        plain_http: vec![realm.authority.clone()],
        credentials: None,
        tls: tls::MACHINE.clone(),
        proxies: Arc::default(),
        authorization: None,
        connection: None,
    };
    let me = Credentials::Basic { user: "me".to_owned(), password: "secret".to_owned() };
    let url = format!("http://{}/token", realm.authority);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(transport.token(&url, None, Some(me))).map_err(|error| error.to_string())
}

#[test]
fn a_realm_in_the_clear_gets_nothing_from_a_registry_by_tls() {
    let realm = Server::new(|_| answer(200, r#"{"token":"t"}"#));
    let error = token(&realm, false).unwrap_err();
    let words = format!("it names http://{}/token for tokens: only https", realm.authority);
    assert!(error.contains(&words), "{error}");
    assert!(realm.asked().is_empty());
    assert_eq!(token(&realm, true).unwrap(), "t");
}

#[test]
fn a_token_has_so_many_bytes() {
    let realm = Server::new(|_| answer(200, " ".repeat(ANSWER_BYTES_MAX + 1)));
    assert_eq!(token(&realm, true).unwrap_err(), "a token has more than 65536 bytes");
}

#[test]
fn a_password_is_shown_to_the_registry_that_asks_for_one() {
    let files = files();
    let server = Server::new(move |asked| match authorization(asked) {
        "Basic bWU6c2VjcmV0" => serve(&files, asked),
        _ => answer(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let (_directory, file) = docker_configuration(&server.authority, &me());
    let with = client(&server).with_credentials(Some(file));
    Artifact::resolve(&mut place(&with, &server), Which::Tag("1")).unwrap();
    // A wrong one is not tried twice.
    let (_directory, file) = docker_configuration(&server.authority, &json!({"auth": "eDp5"}));
    let with = client(&server).with_credentials(Some(file));
    let error = Artifact::resolve(&mut place(&with, &server), Which::Tag("1")).unwrap_err();
    assert!(error.to_string().contains("access denied"), "{error}");
    let error = resolve(&server).unwrap_err().to_string();
    assert!(error.contains("run `docker login`"), "{error}");
}

#[test]
fn credentials_are_not_sent_on_after_a_redirect_to_another_host() {
    let elsewhere = Server::new(|_| answer(200, COMPONENT));
    let to = format!("http://{}/blob", elsewhere.authority);
    let files = files();
    let server = Server::new(move |asked| match authorization(asked) {
        "Basic bWU6c2VjcmV0" if asked.path.contains("/blobs/") => {
            answer(307, "").with("Location", &to)
        }
        "Basic bWU6c2VjcmV0" => serve(&files, asked),
        _ => answer(401, "").with("WWW-Authenticate", "Basic"),
    });
    let (_directory, file) = docker_configuration(&server.authority, &me());
    let both = vec![server.authority.clone(), elsewhere.authority.clone()];
    let fetch = |plain_http| {
        let client = Client::new(plain_http).with_credentials(Some(file.clone()));
        let mut place = place(&client, &server);
        let artifact = Artifact::resolve(&mut place, Which::Tag("1"))?;
        artifact.component(&mut place, 1 << 20, &mut |_| ())
    };
    assert_eq!(fetch(both).unwrap(), COMPONENT);
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked.iter().all(|asked| authorization(asked).is_empty()), "{asked:?}");
    // Nor is a host in the clear followed that was not declared.
    let error = fetch(vec![server.authority.clone()]).unwrap_err().to_string();
    assert!(error.contains("only https is followed"), "{error}");
    assert_eq!(elsewhere.asked().len(), 1);
}

/// One that asks for a password, and is not the registry, gets none.
#[test]
fn who_is_redirected_to_is_not_logged_in_to() {
    let elsewhere = Server::new(|_| answer(401, "").with("WWW-Authenticate", "Basic"));
    let to = format!("http://{}/blob", elsewhere.authority);
    let server = Server::new(move |_| answer(302, "").with("Location", &to));
    let (_directory, file) = docker_configuration(&server.authority, &me());
    let both = vec![server.authority.clone(), elsewhere.authority.clone()];
    let client = Client::new(both).with_credentials(Some(file));
    assert!(Artifact::resolve(&mut place(&client, &server), Which::Tag("1")).is_err());
    assert_eq!(elsewhere.asked().len(), 1);
    assert_eq!(authorization(&elsewhere.asked()[0]), "");
}
