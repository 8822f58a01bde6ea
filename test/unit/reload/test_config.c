/* The configuration document (RFC 6940 section 11.1): parsing, hostile XML, signatures over exact octets, sequence numbers, building. */
#include "authority.h"
#include "base/buf.h"
#include "base/mem.h"
#include "reload/config.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE_A "000102030405060708090a0b0c0d0e0f"
#define NODE_B "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define HEAD                                                                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<overlay xmlns=\"" CONFIG_NS_BASE "\" xmlns:chord=\"" CONFIG_NS_CHORD \
    "\" xmlns:i=\"" CONFIG_NS_IME "\" xmlns:ext=\"urn:example\">"
#define DOC(attributes, body) \
    HEAD "<configuration instance-name=\"" OVERLAY "\" " attributes ">" body "</configuration></overlay>"

static int parse_err(const char *text, unsigned *ret_line)
{
    struct config *c = NULL;
    struct config_fault fault = {0, NULL};
    int err = config_parse(slice_str(text), slice_str(OVERLAY), &c, &fault);
    if (err)
        assert_non_null(fault.rule);
    if (ret_line)
        *ret_line = fault.line;
    config_free(c);
    return err;
}

static struct config *parse(const char *text)
{
    struct config *c = NULL;
    struct config_fault fault = {0, NULL};
    int err = config_parse(slice_str(text), slice_str(OVERLAY), &c, &fault);
    if (err)
        fail_msg("line %u: %s", fault.line, fault.rule);
    return c;
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *c = parse(DOC("", ""));
    assert_slice_text(c->instance_name, OVERLAY);
    assert_int_equal(c->sequence, 0);
    assert_false(c->expires);
    assert_slice_text(c->topology_plugin, "CHORD-RELOAD");
    assert_int_equal(c->node_id_length, 16);
    assert_int_equal(c->turn_density, 1);
    assert_true(c->clients_permitted);
    assert_false(c->no_ice);
    assert_int_equal(c->chord_update_interval_s, 600);
    assert_int_equal(c->chord_ping_interval_s, 3600);
    assert_true(c->chord_reactive);
    assert_int_equal(c->max_message_size, 5000);
    assert_int_equal(c->initial_ttl, 100);
    assert_int_equal(c->overlay_reliability_timer_ms, 3000);
    assert_int_equal(c->link_protocol_count, 0);
    assert_int_equal(c->signature_count, 0);
    assert_int_equal(c->number_hash, CONFIG_HASH_SHA1);
    assert_int_equal(c->lattice_ms, 4000);
    config_free(c);
}

/* Everything that the RFC's example has, in its spelling: white space around values, an extension's attribute and element, two
 * configurations. Node-IDs have the 16 octets that node-id-length says. */
static const char everything[] = HEAD
    "\n  <configuration instance-name=\"" OVERLAY "\" sequence=\"22\"\n"
    "      expiration=\"2002-10-10T07:00:00Z\" ext:ext-example=\"stuff\" >\n"
    "    <topology-plugin> CHORD-RELOAD </topology-plugin>\n"
    "    <node-id-length>16</node-id-length>\n"
    "    <root-cert>\n  YmFk\n\tIGNl cnQK\r\n</root-cert><root-cert> YmFkIGNlcnQK </root-cert>\n"
    "    <enrollment-server>https://example.org</enrollment-server>\n"
    "    <enrollment-server>https://example.net</enrollment-server>\n"
    "    <self-signed-permitted digest=\"sha256\">false</self-signed-permitted>\n"
    "    <bootstrap-node address=\"192.0.0.1\" port=\"6084\" /><bootstrap-node address=\"192.0.2.2\" port=\"6085\" />\n"
    "    <bootstrap-node address=\"2001:DB8::1\" />\n"
    "    <turn-density> 20 </turn-density><clients-permitted> false </clients-permitted><no-ice> 1 </no-ice>\n"
    "    <chord:chord-update-interval>\n 400</chord:chord-update-interval>\n"
    "    <chord:chord-ping-interval>30</chord:chord-ping-interval><chord:chord-reactive> 0 </chord:chord-reactive>\n"
    "    <shared-secret> password </shared-secret><max-message-size>4000</max-message-size>\n"
    "    <initial-ttl> 30 </initial-ttl><overlay-reliability-timer> 3500 </overlay-reliability-timer>\n"
    "    <overlay-link-protocol>TLS</overlay-link-protocol>\n"
    "    <configuration-signer>" NODE_A "</configuration-signer>\n"
    "    <kind-signer>" NODE_A "</kind-signer><kind-signer> " NODE_B " </kind-signer>\n"
    "    <bad-node> " NODE_B " </bad-node><bad-node>" NODE_A "</bad-node>\n"
    "    <ext:example-extension> foo </ext:example-extension>\n"
    "    <mandatory-extension>\n " CONFIG_NS_IME "\n </mandatory-extension>\n"
    "    <i:number-hash passes=\"2\" memory-kib=\"1024\" lanes=\"2\">argon2id</i:number-hash>\n"
    "    <i:lattice-ms>2000</i:lattice-ms><i:quota>500</i:quota><i:number-lifetime>86400</i:number-lifetime>\n"
    "    <i:message-of-the-day>Grüße &amp; &lt;more&gt;</i:message-of-the-day>\n"
    "    <i:required-version by=\"2026-12-01T00:00:00Z\">0.2.0</i:required-version>\n"
    "    <i:ban node=\"" NODE_B
    "\" server-id=\"ime1.b.example\" at=\"2026-11-22T08:00:00Z\"> floods &amp; lies </i:ban>\n"
    "    <i:ban node=\"" NODE_A "\"/>\n"
    "    <required-kinds>\n"
    "      <kind-block><kind name=\"TURN-SERVICE\"><data-model>ARRAY</data-model>\n"
    "        <access-control>USER-MATCH</access-control><max-count>1</max-count><max-size>100</max-size></kind>\n"
    "        <kind-signature> VGhpcyBpcyBub3QgcmlnaHQhCg== </kind-signature></kind-block>\n"
    "      <kind-block><kind id=\"2000\"><data-model>ARRAY</data-model><access-control>NODE-MULTIPLE</access-control>\n"
    "        <max-node-multiple>3</max-node-multiple><max-count>22</max-count><max-size>4</max-size>\n"
    "        <ext:example-kind-extension> 1 </ext:example-kind-extension></kind></kind-block>\n"
    "    </required-kinds>\n"
    "  </configuration>\n"
    "  <signature> VGhpcyBpcyBub3Qg\n cmlnaHQhCg== </signature>\n"
    "  <configuration instance-name=\"other.example.net\">\n  </configuration>\n"
    "  <signature> VGhpcyBpcyBub3QgcmlnaHQhCg== </signature><signature/>\n"
    "</overlay>\n";

static void test_every_element(void **state)
{
    (void)state;
    char hex[ID_HEX_OCTETS], text[ADDR_TEXT_OCTETS];
    struct config *c = parse(everything);
    assert_int_equal(c->sequence, 22);
    assert_true(c->expires);
    assert_int_equal(c->expiration.ms, INT64_C(1034233200000));
    assert_true(config_expired(c, noon));
    assert_int_equal(c->root_cert_count, 2);
    assert_slice_text(c->root_certs[0], "bad cert\n");
    assert_slice_equal(c->root_certs[0], c->root_certs[1]);
    assert_int_equal(c->enrollment_server_count, 2);
    assert_slice_text(c->enrollment_servers[1], "https://example.net");
    assert_slice_text(c->self_signed_digest, "sha256");
    assert_int_equal(c->bootstrap_node_count, 3);
    assert_string_equal(addr_format(&c->bootstrap_nodes[1], text), "192.0.2.2:6085");
    assert_string_equal(addr_format(&c->bootstrap_nodes[2], text), "[2001:db8::1]:6084");
    assert_int_equal(c->turn_density, 20);
    assert_false(c->clients_permitted);
    assert_true(c->no_ice);
    assert_int_equal(c->chord_update_interval_s, 400);
    assert_int_equal(c->chord_ping_interval_s, 30);
    assert_false(c->chord_reactive);
    assert_slice_text(c->shared_secret, "password");
    assert_int_equal(c->max_message_size, 4000);
    assert_int_equal(c->initial_ttl, 30);
    assert_int_equal(c->overlay_reliability_timer_ms, 3500);
    assert_int_equal(c->link_protocol_count, 1);
    assert_int_equal(c->configuration_signer_count, 1);
    assert_string_equal(id_format(c->configuration_signers[0], hex), NODE_A);
    assert_int_equal(c->kind_signer_count, 2);
    assert_int_equal(c->bad_node_count, 2);
    assert_string_equal(id_format(c->bad_nodes[0], hex), NODE_A); /* sorted */
    assert_true(config_is_bad_node(c, c->bad_nodes[0]));
    assert_true(config_is_bad_node(c, c->bad_nodes[1]));
    assert_false(config_is_bad_node(c, node_filled(0x55)));
    assert_int_equal(c->mandatory_extension_count, 1);
    assert_int_equal(c->number_hash, CONFIG_HASH_ARGON2ID);
    assert_int_equal(c->number_hash_cost.passes, 2);
    assert_int_equal(c->number_hash_cost.memory_kib, 1024);
    assert_int_equal(c->number_hash_cost.lanes, 2);
    assert_int_equal(c->lattice_ms, 2000);
    assert_int_equal(c->quota, 500);
    assert_int_equal(c->number_lifetime_s, 86400);
    assert_slice_text(c->message_of_the_day, "Grüße & <more>");
    assert_slice_text(c->required_version, "0.2.0");
    assert_int_equal(c->required_version_by.ms, INT64_C(1796083200000));
    assert_int_equal(c->ban_count, 2);
    const struct config_ban *ban = config_ban_of(c, c->bad_nodes[1]);
    assert_non_null(ban);
    assert_slice_text(ban->server_id, "ime1.b.example");
    assert_slice_text(ban->reason, "floods & lies");
    assert_int_equal(ban->at.ms, INT64_C(1795334400000));
    assert_int_equal(config_ban_of(c, c->bad_nodes[0])->reason.n, 0);
    assert_null(config_ban_of(c, node_filled(0x55)));
    assert_int_not_equal(c->unknown_line, 0); /* example-extension */
    config_free(c);
}

static void test_kinds(void **state)
{
    (void)state;
    struct config *c = parse(everything);
    assert_int_equal(c->kinds.n, 2);
    const struct kind *turn = kind_find(&c->kinds, RELOAD_KIND_TURN_SERVICE);
    assert_int_equal(turn->model, RELOAD_MODEL_SINGLE); /* as IANA has it, not as the document says */
    assert_int_equal(turn->access, KIND_NODE_MULTIPLE);
    assert_int_equal(turn->max_size, 100);
    const struct kind *own = kind_find(&c->kinds, 2000);
    assert_int_equal(own->model, RELOAD_MODEL_ARRAY);
    assert_int_equal(own->max_node_multiple, 3);
    assert_int_equal(own->max_count, 22);
    assert_int_equal(c->kind_block_count, 2);
    assert_memory_equal(c->kind_blocks[0].signed_octets.p, "<kind name=", 11);
    assert_memory_equal(c->kind_blocks[1].signed_octets.p, "<kind id=\"2000\">", 16);
    struct slice octets = c->kind_blocks[1].signed_octets;
    assert_memory_equal(octets.p + octets.n - 7, "</kind>", 7);
    assert_slice_text(c->kind_blocks[0].signature, "This is not right!\n");
    assert_int_equal(c->kind_blocks[1].signature.n, 0);
    config_free(c);
}

static void test_signed_octets_are_exact(void **state)
{
    (void)state;
    struct config *c = parse(everything);
    const char *begin = strstr(everything, "<configuration instance-name=\"" OVERLAY);
    const char *end = strstr(everything, "</configuration>") + strlen("</configuration>");
    assert_slice_equal(c->signed_octets, slice_of(begin, (size_t)(end - begin)));
    assert_slice_text(c->document, everything);
    assert_int_equal(c->signature_count, 1);
    assert_slice_text(c->signatures[0], "This is not right!\n");
    config_free(c);
}

/* Tags in comments, CDATA, attribute values and processing instructions do not move the bounds. */
static void test_decoys_do_not_move_the_bounds(void **state)
{
    (void)state;
    static const char text[] =
        "<!-- <configuration> --><?x <configuration>?>" /* before the root */
        "<overlay xmlns=\"" CONFIG_NS_BASE "\" a='<' b='>'><!-- </overlay> -->"
        "<configuration instance-name='" OVERLAY "' note=\"a > b '</configuration>\"><!-- </configuration> -->"
        "<shared-secret><![CDATA[</configuration>]]></shared-secret></configuration ><x/></overlay>";
    char good[sizeof text];
    struct config_fault fault;
    struct config *c;
    /* '<' is not allowed in an attribute value: not well-formed, and refused by the scanner too */
    assert_int_equal(parse_err(text, NULL), ERR_SYNTAX);
    memcpy(good, text, sizeof text);
    for (char *at; (at = strstr(good, "a='<'"));)
        memcpy(at, "a='.'", 5);
    for (char *at; (at = strstr(good, "'</configuration>\""));)
        memcpy(at, "' /configuration>\"", 18);
    assert_int_equal(config_parse(slice_str(good), slice_str(OVERLAY), &c, &fault), 0);
    const char *begin = strstr(good, "<configuration instance");
    const char *end = strstr(good, "</configuration >") + strlen("</configuration >");
    assert_slice_equal(c->signed_octets, slice_of(begin, (size_t)(end - begin)));
    assert_slice_text(c->shared_secret, "</configuration>");
    config_free(c);
}

static void test_other_spelling_and_other_overlay(void **state)
{
    (void)state;
    struct config_fault fault;
    struct config *c = parse(DOC("", "<topology-plug-in>CHORD-RELOAD</topology-plug-in>"));
    config_free(c);
    assert_int_equal(config_parse(slice_str(everything), slice_str("other.example.net"), &c, &fault), 0);
    assert_slice_text(c->instance_name, "other.example.net");
    assert_int_equal(c->signature_count, 2);
    config_free(c);
    assert_int_equal(config_parse(slice_str(everything), slice_of(NULL, 0), &c, &fault), 0);
    assert_slice_text(c->instance_name, OVERLAY);
    config_free(c);
    assert_int_equal(config_parse(slice_str(everything), slice_str("third.example"), &c, &fault), ERR_NOT_FOUND);
}

#define TEXT_20 "01234567890123456789"
#define TEXT_100 TEXT_20 TEXT_20 TEXT_20 TEXT_20 TEXT_20

static void test_refused_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {DOC("sequence=\"65535\"", ""), ERR_RANGE},
        {DOC("sequence=\"-1\"", ""), ERR_RANGE},
        {DOC("sequence=\"x\"", ""), ERR_RANGE},
        {DOC("expiration=\"2026-13-01T00:00:00Z\"", ""), ERR_SYNTAX},
        {DOC("expiration=\"2026-01-01T00:00:00\"", ""), ERR_SYNTAX},
        {DOC("expiration=\"2026-01-01T00:00:00+02:00\"", ""), ERR_SYNTAX},
        {DOC("expiration=\"2026-01-01T00:00:00.Z\"", ""), ERR_SYNTAX},
        {DOC("expiration=\"tomorrow\"", ""), ERR_SYNTAX},
        {DOC("", "<topology-plugin>PASTRY</topology-plugin>"), ERR_UNSUPPORTED},
        {DOC("", "<node-id-length>20</node-id-length>"), ERR_UNSUPPORTED},
        {DOC("", "<node-id-length>15</node-id-length>"), ERR_RANGE},
        {DOC("", "<no-ice>yes</no-ice>"), ERR_SYNTAX},
        {DOC("", "<no-ice/>"), ERR_SYNTAX},
        {DOC("", "<initial-ttl>0</initial-ttl>"), ERR_RANGE},
        {DOC("", "<initial-ttl>256</initial-ttl>"), ERR_RANGE},
        {DOC("", "<overlay-reliability-timer>199</overlay-reliability-timer>"), ERR_RANGE},
        {DOC("", "<max-message-size>99999999999999999999</max-message-size>"), ERR_RANGE},
        {DOC("", "<root-cert>not base64</root-cert>"), ERR_SYNTAX},
        {DOC("", "<root-cert>YQ</root-cert>"), ERR_SYNTAX},
        {DOC("", "<enrollment-server>http://example.org</enrollment-server>"), ERR_SYNTAX},
        {DOC("", "<bootstrap-node/>"), ERR_SYNTAX},
        {DOC("", "<bootstrap-node address=\"example.org\"/>"), ERR_SYNTAX},
        {DOC("", "<bootstrap-node address=\"192.0.2.1:99\"/>"), ERR_SYNTAX},
        {DOC("", "<bootstrap-node address=\"192.0.2.1\" port=\"0\"/>"), ERR_RANGE},
        {DOC("", "<bootstrap-node address=\"192.0.2.1\" port=\"65536\"/>"), ERR_RANGE},
        {DOC("", "<bad-node>6ebc45d31a900c06</bad-node>"), ERR_SYNTAX},
        {DOC("", "<configuration-signer>xyz</configuration-signer>"), ERR_SYNTAX},
        {DOC("", "<mandatory-extension>urn:example</mandatory-extension>"), ERR_UNSUPPORTED},
        {DOC("", "<self-signed-permitted digest=\"md5\">true</self-signed-permitted>"), ERR_UNSUPPORTED},
        {DOC("", "<no-ice>1</no-ice><no-ice>1</no-ice>"), ERR_SYNTAX},
        {DOC("", "<shared-secret>a<b/></shared-secret>"), ERR_SYNTAX},
        {DOC("", "<i:number-hash>md5</i:number-hash>"), ERR_UNSUPPORTED},
        {DOC("", "<i:number-hash memory-kib=\"7\">argon2id</i:number-hash>"), ERR_RANGE},
        {DOC("", "<i:number-hash memory-kib=\"8\" lanes=\"2\">argon2id</i:number-hash>"), ERR_RANGE},
        {DOC("", "<i:lattice-ms>999</i:lattice-ms>"), ERR_RANGE},
        {DOC("", "<i:required-version by=\"soon\">1</i:required-version>"), ERR_SYNTAX},
        {DOC("", "<i:ban>no node</i:ban>"), ERR_SYNTAX},
        {DOC("", "<i:ban node=\"12\">short</i:ban>"), ERR_SYNTAX},
        {DOC("", "<i:ban node=\"" NODE_A "\" at=\"today\">x</i:ban>"), ERR_SYNTAX},
        {DOC("", "<i:ban node=\"" NODE_A "\">two\nlines</i:ban>"), ERR_SYNTAX},
        {DOC("", "<i:ban node=\"" NODE_A "\">" TEXT_100 TEXT_100 "x</i:ban>"), ERR_LIMIT},
        {HEAD "<configuration/></overlay>", ERR_NOT_FOUND},
        {HEAD "</overlay>", ERR_NOT_FOUND},
        {HEAD "<configuration instance-name='" OVERLAY "'/><configuration instance-name='" OVERLAY "'/></overlay>",
         ERR_SYNTAX},
        {"<overlay><configuration instance-name='" OVERLAY "'/></overlay>", ERR_SYNTAX}, /* no namespace */
        {"<configuration xmlns='" CONFIG_NS_BASE "' instance-name='" OVERLAY "'/>", ERR_SYNTAX},
        {"", ERR_SYNTAX},
        {"text", ERR_SYNTAX},
        {HEAD, ERR_SYNTAX},
        {HEAD "</overlay></overlay>", ERR_SYNTAX},
        {HEAD "</overlai>", ERR_SYNTAX},
        {HEAD "</overlay>x", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int err = parse_err(cases[i].text, NULL);
        if (err != cases[i].err)
            fail_msg("%s: %d instead of %d", cases[i].text, err, cases[i].err);
    }
}

#define KIND(attributes, body) \
    DOC("", "<required-kinds><kind-block><kind " attributes ">" body "</kind></kind-block></required-kinds>")
#define MODEL "<data-model>SINGLE</data-model>"
#define ACCESS "<access-control>NODE-MATCH</access-control>"
#define LIMITS "<max-count>1</max-count><max-size>10</max-size>"

static void test_refused_kinds(void **state)
{
    (void)state;
    assert_int_equal(parse_err(KIND("id='5'", MODEL ACCESS LIMITS), NULL), 0);
    assert_int_equal(parse_err(KIND("id='5' name='TURN-SERVICE'", MODEL ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("", MODEL ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='0'", MODEL ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='4294967296'", MODEL ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("name='SIP-REGISTRATION'", MODEL ACCESS LIMITS), NULL), ERR_UNSUPPORTED);
    assert_int_equal(parse_err(KIND("id='5'", ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='5'", MODEL LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='5'", MODEL ACCESS "<max-count>1</max-count>"), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='5'", MODEL MODEL ACCESS LIMITS), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(KIND("id='5'", "<data-model>TREE</data-model>" ACCESS LIMITS), NULL), ERR_UNSUPPORTED);
    assert_int_equal(parse_err(KIND("id='5'", MODEL "<access-control>NODE-MULTIPLE</access-control>" LIMITS), NULL),
                     ERR_RANGE);
    assert_int_equal(
        parse_err(KIND("id='5'", MODEL ACCESS "<max-count>1</max-count><max-size>1048577</max-size>"), NULL),
        ERR_RANGE);
    assert_int_equal(parse_err(DOC("", "<required-kinds><kind-block/></required-kinds>"), NULL), ERR_SYNTAX);
}

/* ---- hostile XML ---- */

static void test_document_types_and_entities_are_refused(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "<!DOCTYPE overlay [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>" DOC("", "&b;"),
        "<!DOCTYPE overlay SYSTEM \"file:///etc/passwd\">" DOC("", ""),
        "<!DOCTYPE overlay [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" DOC("", "<shared-secret>&x;</shared-secret>"),
        "<!DOCTYPE overlay [<!ENTITY % p SYSTEM \"http://127.0.0.1/x\"> %p;]>" DOC("", ""),
        "<!doctype overlay>" DOC("", ""),
        "<overlay><!ELEMENT x></overlay>",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        assert_int_equal(parse_err(hostile[i], NULL), ERR_UNSUPPORTED);
    assert_int_equal(parse_err(DOC("", "<shared-secret>&undefined;</shared-secret>"), NULL), ERR_SYNTAX);
}

/* before, so many times middle, after. Freed by the caller. */
static char *repeated(const char *before, const char *middle, size_t times, const char *after)
{
    struct buf b;
    buf_init(&b, 1u << 24);
    buf_str(&b, before);
    for (size_t i = 0; i < times; i++)
        buf_str(&b, middle);
    buf_str(&b, after);
    char *text = mem_strdup(buf_text(&b));
    assert_non_null(text);
    buf_fini(&b);
    return text;
}

static void refuse_repeated(const char *before, const char *middle, size_t times, const char *after, int expected)
{
    char *text = repeated(before, middle, times, after);
    assert_int_equal(parse_err(text, NULL), expected);
    mem_free(text);
}

#define OPEN HEAD "<configuration instance-name=\"" OVERLAY "\">"
#define CLOSE "</configuration></overlay>"

static void test_size_depth_and_number_are_limited(void **state)
{
    (void)state;
    refuse_repeated(OPEN, "<x>", 100000 / 3, "", ERR_LIMIT);                               /* deep */
    refuse_repeated(OPEN, "<x/>", CONFIG_ELEMENTS_MAX, CLOSE, ERR_LIMIT);                  /* many */
    refuse_repeated(OPEN "<!--", "x", CONFIG_DOCUMENT_OCTETS_MAX, "-->" CLOSE, ERR_LIMIT); /* long */
    refuse_repeated(OPEN "<shared-secret>", "x", CONFIG_TEXT_OCTETS_MAX + 1, "</shared-secret>" CLOSE, ERR_LIMIT);
    refuse_repeated(OPEN "<bootstrap-node address=\"", "1", 200000, "\"/>" CLOSE, ERR_LIMIT);
    refuse_repeated(OPEN "<root-cert>", "AAAA", 50000, "</root-cert>" CLOSE, ERR_LIMIT);
    refuse_repeated(OPEN, "<bad-node>" NODE_A "</bad-node>", CONFIG_LIST_MAX + 1, CLOSE, ERR_LIMIT);
    refuse_repeated(OPEN "</configuration>", "<signature>AAAA</signature>", CONFIG_SIGNATURES_MAX + 1, "</overlay>",
                    ERR_LIMIT);
    char *text = repeated(OPEN, "<overlay-link-protocol>x</overlay-link-protocol>", CONFIG_LIST_MAX, CLOSE);
    struct config *c = parse(text);
    assert_int_equal(c->link_protocol_count, CONFIG_LIST_MAX);
    config_free(c);
    mem_free(text);
}

static void test_encodings(void **state)
{
    (void)state;
    static const char latin1[] = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><overlay xmlns=\"" CONFIG_NS_BASE
                                 "\"><configuration instance-name=\"" OVERLAY "\"/></overlay>";
    static const char utf7[] = "<?xml version=\"1.0\" encoding=\"UTF-7\"?><overlay xmlns=\"" CONFIG_NS_BASE
                               "\"><configuration instance-name=\"" OVERLAY "\"/></overlay>";
    static const char wide[] = "\xff\xfe<\0o\0v\0e\0r\0l\0a\0y\0/\0>\0";
    struct config *c;
    struct config_fault fault;
    assert_int_equal(parse_err(latin1, NULL), ERR_UNSUPPORTED);
    assert_int_not_equal(parse_err(utf7, NULL), 0);
    assert_int_equal(config_parse(slice_of(wide, sizeof wide - 1), slice_str(OVERLAY), &c, &fault), ERR_UNSUPPORTED);
    assert_int_equal(parse_err(DOC("", "<shared-secret>\xc3\x28</shared-secret>"), NULL), ERR_SYNTAX);
    assert_int_equal(parse_err(DOC("", "<shared-secret>&#0;</shared-secret>"), NULL), ERR_SYNTAX);
    c = parse("\xef\xbb\xbf" DOC("", "")); /* a byte order mark */
    assert_memory_equal(c->signed_octets.p, "<configuration ", 15);
    config_free(c);
}

static void test_fault_tells_the_line(void **state)
{
    (void)state;
    unsigned line;
    assert_int_equal(
        parse_err(HEAD "\n<configuration instance-name=\"" OVERLAY "\">\n\n<no-ice>maybe</no-ice>" CLOSE, &line),
        ERR_SYNTAX);
    assert_int_equal(line, 5);
    assert_int_equal(parse_err("<a>\n<!DOCTYPE b></a>", &line), ERR_UNSUPPORTED);
    assert_int_equal(line, 2);
}

static void test_short_of_memory(void **state)
{
    (void)state;
    int err = ERR_NO_MEMORY;
    unsigned long nth = 1;
    for (; err; nth++) {
        mem_fail_at(nth);
        err = parse_err(everything, NULL);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
    }
    assert_true(nth > 4);
}

/* ---- sequence numbers ---- */

static void test_sequences_wrap_before_65535(void **state)
{
    (void)state;
    assert_int_equal(config_sequence_next(0), 1);
    assert_int_equal(config_sequence_next(65533), 65534);
    assert_int_equal(config_sequence_next(65534), 0);
    assert_true(config_sequence_cmp(1, 0) > 0);
    assert_true(config_sequence_cmp(0, 1) < 0);
    assert_int_equal(config_sequence_cmp(7, 7), 0);
    assert_true(config_sequence_cmp(0, 65534) > 0);
    assert_true(config_sequence_cmp(65534, 0) < 0);
    assert_true(config_sequence_cmp(32767, 0) > 0);
    assert_true(config_sequence_cmp(32768, 0) < 0);
    assert_true(config_sequence_cmp(10, 60000) > 0);
    for (uint32_t a = 0; a < 65535; a += 331)
        for (uint32_t b = 0; b < 65535; b += 337)
            assert_int_equal(config_sequence_cmp((uint16_t)a, (uint16_t)b),
                             -config_sequence_cmp((uint16_t)b, (uint16_t)a));
}

static void test_only_a_greater_sequence_of_the_same_overlay_follows(void **state)
{
    (void)state;
    struct config *current = parse(DOC("sequence=\"65534\"", ""));
    struct config *next = parse(DOC("sequence=\"0\"", ""));
    assert_int_equal(config_may_follow(current, next), 0);
    assert_int_equal(config_may_follow(next, current), ERR_CONFLICT);
    assert_int_equal(config_may_follow(next, next), ERR_CONFLICT);
    next->instance_name = slice_str("other.example");
    assert_int_equal(config_may_follow(current, next), ERR_FORBIDDEN);
    config_free(current);
    config_free(next);
}

/* ---- building and signatures ---- */

struct fixture {
    struct authority authority, foreign;
    struct identity signer, other, several;
    struct config values; /* to build */
    struct slice roots[1];
    struct id signers[1];
    struct slice urls[1];
    struct addr bootstraps[2];
    struct slice protocols[1];
    struct id bad[2];
    struct config_ban bans[2];
    struct buf document;
};

static int set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    assert_non_null(f);
    authority_init(&f->authority, "Ring CA");
    authority_init(&f->foreign, "Ring CA");
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0x51, 1, "enroll@example.com", 30, &f->signer);
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0x61, 1, "other@example.com", 30, &f->other);
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0x50, 3, "enroll@example.com", 30, &f->several);
    struct config *v = &f->values;
    config_init(v);
    v->instance_name = slice_str(OVERLAY);
    v->sequence = 7;
    v->expires = true;
    v->expiration = wall_after_ms(noon, 90 * DAY_MS);
    f->roots[0] = cert_der(f->authority.cert);
    f->signers[0] = f->signer.node;
    f->urls[0] = slice_str("https://127.1.0.1:8443/enroll?a=1&b=\"2\"");
    f->protocols[0] = slice_str("TLS");
    assert_int_equal(addr_parse(slice_str("127.1.1.1:6084"), 0, &f->bootstraps[0]), 0);
    assert_int_equal(addr_parse(slice_str("[2001:db8::1]:7000"), 0, &f->bootstraps[1]), 0);
    f->bad[0] = node_filled(0x01);
    f->bad[1] = node_filled(0x02);
    v->root_certs = f->roots;
    v->enrollment_servers = f->urls;
    v->configuration_signers = v->kind_signers = f->signers;
    v->bootstrap_nodes = f->bootstraps;
    v->link_protocols = f->protocols;
    v->bad_nodes = f->bad;
    v->root_cert_count = v->enrollment_server_count = v->configuration_signer_count = v->kind_signer_count = 1;
    v->bootstrap_node_count = v->bad_node_count = 2;
    v->link_protocol_count = 1;
    v->clients_permitted = false;
    v->no_ice = true;
    v->chord_update_interval_s = 5;
    v->chord_reactive = false;
    v->shared_secret = slice_str("<secret>");
    v->max_message_size = 65536;
    v->number_hash = CONFIG_HASH_ARGON2ID;
    v->number_hash_cost = (struct argon2_cost){1, 64, 2};
    v->lattice_ms = 2500;
    v->quota = 42;
    v->number_lifetime_s = 3600;
    v->message_of_the_day = slice_str("maintenance & <rest>, \"Sunday\"");
    v->required_version = slice_str("0.1.0");
    v->required_version_by = wall_after_ms(noon, 7 * DAY_MS);
    f->bans[0] = (struct config_ban){f->bad[0], slice_str("ime1.b.example"), slice_str("floods & <lies>"), noon};
    f->bans[1] = (struct config_ban){.node = f->bad[1]};
    v->bans = f->bans;
    v->ban_count = 2;
    struct kind kind;
    static const char *const names[] = {"VIPR-REGISTRATION", "CERTIFICATE_BY_NODE", "TURN-SERVICE"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(kind_registered(slice_str(names[i]), &kind), 0);
        assert_int_equal(kind_add(&v->kinds, &kind), 0);
    }
    buf_init(&f->document, CONFIG_DOCUMENT_OCTETS_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buf_fini(&f->document);
    identity_fini(&f->signer);
    identity_fini(&f->other);
    identity_fini(&f->several);
    authority_fini(&f->authority);
    authority_fini(&f->foreign);
    mem_free(f);
    return 0;
}

static struct config *build(struct fixture *f, const struct identity *by)
{
    struct config *c;
    struct config_fault fault;
    buf_clear(&f->document);
    assert_int_equal(config_build(&f->values, by->key, by->cert, &f->document), 0);
    assert_int_equal(config_parse(buf_slice(&f->document), slice_str(OVERLAY), &c, &fault), 0);
    return c;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    const struct config *v = &f->values;
    struct config *c = build(f, &f->signer);
    assert_int_equal(c->sequence, 7);
    assert_true(c->expires);
    assert_int_equal(c->expiration.ms, v->expiration.ms);
    assert_slice_equal(c->root_certs[0], v->root_certs[0]);
    assert_slice_equal(c->enrollment_servers[0], v->enrollment_servers[0]);
    assert_int_equal(c->bootstrap_node_count, 2);
    assert_true(addr_eq(&c->bootstrap_nodes[0], &v->bootstrap_nodes[0]));
    assert_true(addr_eq(&c->bootstrap_nodes[1], &v->bootstrap_nodes[1]));
    assert_int_equal(c->clients_permitted, false);
    assert_int_equal(c->no_ice, true);
    assert_int_equal(c->chord_update_interval_s, 5);
    assert_int_equal(c->chord_ping_interval_s, v->chord_ping_interval_s);
    assert_int_equal(c->chord_reactive, false);
    assert_slice_equal(c->shared_secret, v->shared_secret);
    assert_int_equal(c->max_message_size, 65536);
    assert_int_equal(c->configuration_signer_count, 1);
    assert_true(id_eq(c->configuration_signers[0], f->signer.node));
    assert_int_equal(c->bad_node_count, 2);
    assert_int_equal(c->number_hash, CONFIG_HASH_ARGON2ID);
    assert_memory_equal(&c->number_hash_cost, &v->number_hash_cost, sizeof v->number_hash_cost);
    assert_int_equal(c->lattice_ms, 2500);
    assert_int_equal(c->quota, 42);
    assert_int_equal(c->number_lifetime_s, 3600);
    assert_slice_equal(c->message_of_the_day, v->message_of_the_day);
    assert_slice_equal(c->required_version, v->required_version);
    assert_int_equal(c->required_version_by.ms, v->required_version_by.ms);
    assert_int_equal(c->ban_count, 2);
    assert_slice_equal(c->bans[0].server_id, v->bans[0].server_id);
    assert_slice_equal(c->bans[0].reason, v->bans[0].reason);
    assert_int_equal(c->bans[0].at.ms, v->bans[0].at.ms);
    assert_int_equal(c->bans[1].at.ms, 0);
    assert_int_equal(c->unknown_line, 0);
    assert_int_equal(c->kinds.n, v->kinds.n);
    for (size_t i = 0; i < v->kinds.n; i++)
        assert_memory_equal(&c->kinds.kinds[i], &v->kinds.kinds[i], sizeof v->kinds.kinds[i]);
    assert_int_equal(config_overlay_hash(c), reload_overlay_hash(slice_str(OVERLAY)));
    assert_int_equal(config_verify(c, c, noon), 0);
    config_free(c);
}

/* What people edit is the same document without sequence and signatures. */
static void test_the_editable_form(void **state)
{
    struct fixture *f = *state;
    struct config *c;
    struct config_fault fault;
    buf_clear(&f->document);
    assert_int_equal(config_format(&f->values, &f->document), 0);
    assert_null(strstr(buf_text(&f->document), "sequence="));
    assert_null(strstr(buf_text(&f->document), "signature>"));
    assert_int_equal(config_parse(buf_slice(&f->document), slice_str(OVERLAY), &c, &fault), 0);
    assert_false(c->has_sequence);
    assert_int_equal(c->signature_count, 0);
    assert_int_equal(c->kinds.n, f->values.kinds.n);
    assert_slice_equal(c->message_of_the_day, f->values.message_of_the_day);
    assert_int_equal(config_verify(c, c, noon), ERR_AUTH);
    config_free(c);
}

static void test_versions_are_compared_by_number(void **state)
{
    (void)state;
    static const struct {
        const char *required, *own;
        bool older;
    } cases[] = {
        {"", "0.1.0", false},        {"0.1.0", "0.1.0", false}, {"0.2", "0.1.9", true},     {"0.10.0", "0.9.0", true},
        {"0.9", "0.10", false},      {"1", "1.0.0", false},     {"1.0.1", "1.0", true},     {"1.0-rc1", "1.0", false},
        {"no number", "0.1", false}, {"2", "1.99.99", true},    {"99999999999", "1", true}, {"1.0", "1.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config c = {.required_version = slice_str(cases[i].required)};
        if (config_wants_newer(&c, cases[i].own) != cases[i].older)
            fail_msg("%s is required, %s is there", cases[i].required, cases[i].own);
    }
}

/* Every octet between `<configuration` and `</configuration>` counts, none outside of it does. */
static void test_one_changed_octet_breaks_the_signature(void **state)
{
    struct fixture *f = *state;
    struct config *c = build(f, &f->signer);
    size_t begin = (size_t)(c->signed_octets.p - c->document.p), end = begin + c->signed_octets.n;
    unsigned broken = 0;
    for (size_t i = begin; i < end; i += 13) {
        struct config *bent;
        struct config_fault fault;
        uint8_t *octets = f->document.p, kept = octets[i];
        octets[i] = kept == ' ' ? '\n' : kept == '0' ? '1' : kept == '\n' ? ' ' : kept ^ 1;
        int err = config_parse(buf_slice(&f->document), slice_str(OVERLAY), &bent, &fault);
        octets[i] = kept;
        if (err)
            continue;
        assert_int_not_equal(config_verify(bent, c, noon), 0);
        config_free(bent);
        broken++;
    }
    assert_true(broken > 50);
    struct buf spaced;
    struct config *same;
    struct config_fault fault;
    buf_init(&spaced, CONFIG_DOCUMENT_OCTETS_MAX);
    buf_put(&spaced, c->document.p, begin);
    buf_str(&spaced, "<!-- outside -->  ");
    buf_put(&spaced, c->document.p + begin, c->document.n - begin);
    assert_int_equal(config_parse(buf_slice(&spaced), slice_str(OVERLAY), &same, &fault), 0);
    assert_int_equal(config_verify(same, c, noon), 0);
    buf_fini(&spaced);
    config_free(same);
    config_free(c);
}

static void test_signer_must_be_of_the_previous_configuration(void **state)
{
    struct fixture *f = *state;
    struct config *current = build(f, &f->signer);
    f->signers[0] = f->other.node; /* the next one names another signer, who signs it himself */
    f->values.sequence = 8;
    struct config *usurped = build(f, &f->other);
    assert_int_equal(config_verify(usurped, usurped, noon), 0);
    assert_int_equal(config_verify(usurped, current, noon), ERR_FORBIDDEN);
    config_free(usurped);
    /* The old one may hand over: it signs the document, the new one's Kinds are none. */
    f->values.kinds.n = 0;
    struct id both[] = {f->other.node, f->signer.node};
    f->values.configuration_signers = both;
    f->values.configuration_signer_count = 2;
    struct config *handed_over = build(f, &f->signer);
    assert_int_equal(config_verify(handed_over, current, noon), 0);
    config_free(handed_over);
    config_free(current);
}

static void test_signatures_that_are_refused(void **state)
{
    struct fixture *f = *state;
    struct config *c = build(f, &f->signer);
    assert_int_equal(config_verify(c, c, wall_after_ms(noon, 31 * DAY_MS)), ERR_EXPIRED);
    struct config foreign = f->values;
    struct slice root = cert_der(f->foreign.cert);
    foreign.root_certs = &root;
    assert_int_equal(config_verify(c, &foreign, noon), ERR_AUTH);
    struct config banned = f->values;
    banned.bad_nodes = f->signers;
    banned.bad_node_count = 1;
    assert_int_equal(config_verify(c, &banned, noon), ERR_FORBIDDEN);
    struct config other = f->values;
    other.instance_name = slice_str("other.example");
    assert_int_equal(config_verify(c, &other, noon), ERR_FORBIDDEN);
    size_t n = c->signature_count;
    c->signature_count = 0; /* not signed at all */
    assert_int_equal(config_verify(c, c, noon), ERR_AUTH);
    c->signature_count = n;
    struct slice kept = c->signatures[0];
    for (size_t cut = 0; cut < kept.n; cut += 7) {
        c->signatures[0].n = cut;
        assert_int_not_equal(config_verify(c, c, noon), 0);
    }
    c->signatures[0] = kept;
    assert_int_equal(config_verify(c, c, noon), 0);
    c->kind_blocks[1].signature.n = 0; /* "kind-block elements MUST be signed" */
    assert_int_equal(config_verify(c, c, noon), ERR_AUTH);
    c->kind_blocks[1].signature = c->kind_blocks[0].signature; /* another Kind's */
    assert_int_equal(config_verify(c, c, noon), ERR_AUTH);
    config_free(c);
}

static void test_kind_signer_must_be_listed(void **state)
{
    struct fixture *f = *state;
    struct config *c = build(f, &f->signer);
    c->kind_signers[0] = f->other.node;
    assert_int_equal(config_verify(c, c, noon), ERR_FORBIDDEN);
    config_free(c);
}

static void test_signer_with_several_nodes(void **state)
{
    struct fixture *f = *state;
    struct config *c = build(f, &f->several); /* 0x51 is its second Node-ID */
    assert_int_equal(config_verify(c, c, noon), 0);
    config_free(c);
}

static void test_who_may_not_sign_cannot_build(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(config_build(&f->values, f->other.key, f->other.cert, &f->document), ERR_FORBIDDEN);
    assert_int_equal(f->document.n, 0);
}

static void test_values_that_nobody_would_accept_are_not_built(void **state)
{
    struct fixture *f = *state;
    f->values.initial_ttl = 1000;
    assert_int_equal(config_build(&f->values, f->signer.key, f->signer.cert, &f->document), ERR_RANGE);
    f->values.initial_ttl = 100;
    f->values.message_of_the_day = slice_str("a control character: \x01");
    assert_int_equal(config_build(&f->values, f->signer.key, f->signer.cert, &f->document), ERR_RANGE);
    assert_int_equal(f->document.n, 0);
}

static void test_kind_block_of_a_config_update(void **state)
{
    struct fixture *f = *state;
    struct kind kind;
    struct config *c = build(f, &f->signer);
    const char *text = buf_text(&f->document);
    const char *begin = strstr(text, "<kind-block>"), *end = strstr(text, "</kind-block>") + strlen("</kind-block>");
    struct slice block = slice_of(begin, (size_t)(end - begin));
    assert_int_equal(config_verify_kind_block(block, c, noon, &kind), 0);
    assert_int_equal(kind.id, RELOAD_KIND_VIPR_REGISTRATION);
    c->kind_signers[0] = f->other.node;
    assert_int_equal(config_verify_kind_block(block, c, noon, &kind), ERR_FORBIDDEN);
    c->kind_signers[0] = f->signer.node;
    char *bent = mem_strdup(text);
    char *size = strstr(bent, "<max-size>");
    size[10] = '9';
    assert_int_equal(config_verify_kind_block(slice_of(bent + (begin - text), block.n), c, noon, &kind), ERR_AUTH);
    mem_free(bent);
    assert_int_equal(config_verify_kind_block(slice_str("<kind-block/>"), c, noon, &kind), ERR_SYNTAX);
    assert_int_equal(config_verify_kind_block(slice_str("</required-kinds>"), c, noon, &kind), ERR_SYNTAX);
    config_free(c);
}

#define SIGNED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_element),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_signed_octets_are_exact),
        cmocka_unit_test(test_decoys_do_not_move_the_bounds),
        cmocka_unit_test(test_other_spelling_and_other_overlay),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_refused_kinds),
        cmocka_unit_test(test_document_types_and_entities_are_refused),
        cmocka_unit_test(test_size_depth_and_number_are_limited),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_fault_tells_the_line),
        cmocka_unit_test(test_short_of_memory),
        cmocka_unit_test(test_sequences_wrap_before_65535),
        cmocka_unit_test(test_only_a_greater_sequence_of_the_same_overlay_follows),
        cmocka_unit_test(test_versions_are_compared_by_number),
        SIGNED(test_round_trip),
        SIGNED(test_the_editable_form),
        SIGNED(test_one_changed_octet_breaks_the_signature),
        SIGNED(test_signer_must_be_of_the_previous_configuration),
        SIGNED(test_signatures_that_are_refused),
        SIGNED(test_kind_signer_must_be_listed),
        SIGNED(test_signer_with_several_nodes),
        SIGNED(test_who_may_not_sign_cannot_build),
        SIGNED(test_values_that_nobody_would_accept_are_not_built),
        SIGNED(test_kind_block_of_a_config_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
