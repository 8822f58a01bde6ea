/* Two requests over HTTPS. */
#include "io/enroll_client.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>

#define BOUNDARY "----openime-enrollment-form-7f3a91c2"

int enroll_fetch_config(struct loop *loop, struct tls_context *tls, const char *url, const char *known_version,
                        int64_t timeout_ms, http_answer_fn *fn, void *arg, struct http_call **ret_call)
{
    struct buf text;
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    buf_init(&text, 2048);
    buf_put(&text, url, n);
    buf_str(&text, "/.well-known/reload-config");
    struct http_call_options options = {
        .tls = tls,
        .method = HTTP_GET,
        .known_version = known_version,
        .url = buf_text(&text),
        .body_octets_max = ENROLL_DOCUMENT_OCTETS_MAX,
        .timeout_ms = timeout_ms,
    };
    int err = text.err ? ERR_RANGE : http_call(loop, &options, fn, arg, ret_call);
    buf_fini(&text);
    return err;
}

static void put_field(struct buf *b, const char *name, const char *type, struct slice value)
{
    buf_printf(b, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"\r\n", name);
    if (type)
        buf_printf(b, "Content-Type: %s\r\n", type);
    buf_str(b, "\r\n");
    buf_slice_put(b, value);
    buf_str(b, "\r\n");
}

int enroll_request(struct loop *loop, struct tls_context *tls, const char *url, const struct enroll_form *form,
                   int64_t timeout_ms, http_answer_fn *fn, void *arg, struct http_call **ret_call)
{
    char count[16];
    struct buf body;
    if (!text_is_printable(slice_str(form->username)) ||
        (form->password && !text_is_printable(slice_str(form->password))))
        return ERR_RANGE;
    snprintf(count, sizeof count, "%u", form->node_ids);
    buf_init(&body, 64u << 10);
    put_field(&body, "username", NULL, slice_str(form->username));
    put_field(&body, "password", NULL, slice_str(form->password ? form->password : ""));
    put_field(&body, "nodeids", NULL, slice_str(count));
    if (form->node) {
        snprintf(count, sizeof count, "%u", form->node);
        put_field(&body, "node", NULL, slice_str(count));
    }
    if (form->certificate.n)
        put_field(&body, "certificate", "application/pkix-cert", form->certificate);
    put_field(&body, "csr", "application/pkcs10", form->csr);
    buf_str(&body, "--" BOUNDARY "--\r\n");
    struct http_call_options options = {
        .tls = tls,
        .method = HTTP_POST,
        .url = url,
        .content_type = "multipart/form-data; boundary=" BOUNDARY,
        .body = buf_slice(&body),
        .body_octets_max = ENROLL_CERTIFICATE_OCTETS_MAX,
        .timeout_ms = timeout_ms,
    };
    int err = body.err ? body.err : http_call(loop, &options, fn, arg, ret_call);
    buf_fini_secret(&body);
    return err;
}
