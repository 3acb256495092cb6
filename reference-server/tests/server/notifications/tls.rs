//! Over TLS, in either version of HTTP.

use serde_json::json;

use super::{Gateway, chat_of, count, message, notifying, settled};
use crate::support::{fresh_name, sandbox};

#[tokio::test]
async fn notifications_are_encrypted_and_the_certificate_is_checked() {
    let folder = sandbox().await.dir();
    let [certificate, other] = ["a.pem", "b.pem"].map(|name| folder.join(fresh_name(name)));
    let tls = |file: &std::path::Path| json!({ "tls": { "self_made": { "certificate": file } } });
    let gateway = Gateway::start_with(json!({}), tls(&certificate)).await;
    let _other = Gateway::start_with(json!({}), tls(&other)).await;
    let url = format!("https://{}", gateway.address);
    for protocol in ["h1", "h2"] {
        let client = json!({ "protocol": protocol, "trust": certificate });
        let server = notifying(&url, &client).await;
        let chat = chat_of(&server, 51).await;
        message(&server, chat).await;
        let sums = settled(&server).await;
        assert_eq!(count(&sums["roles"]["message"], "delivered"), 50, "{protocol}: {sums}");
        let handshakes = server
            .metric(r#"hotchat_notify_handshake_seconds_count{step="tls"}"#)
            .await;
        let opened = server.metric("hotchat_notify_connections_opened_total").await;
        assert!(
            opened > 0.5 && (handshakes - opened).abs() < 0.1,
            "{handshakes} of {opened}"
        );
    }
    let server = notifying(&url, &json!({ "trust": other })).await;
    let chat = chat_of(&server, 6).await;
    message(&server, chat).await;
    let sums = settled(&server).await;
    assert_eq!(count(&sums["roles"]["message"]["dropped"], "failed"), 5, "{sums}");
    assert_eq!(count(&sums["connections"], "failed"), 5, "{sums}");
}
