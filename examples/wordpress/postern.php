<?php
/**
 * Plugin Name: Postern
 * Description: Loads Postern's script and marks Contact Form 7's forms as leads. Put it into wp-content/mu-plugins/.
 */

// The gateway: a name of the site's own, or a path that the web server hands to Postern (/_p/).
const POSTERN_BASE = 'https://t.example.com/';

add_action('wp_head', function () {
    $stub = 'window.postern=window.postern||function(){(postern.q=postern.q||[]).push(arguments)}';
    wp_print_inline_script_tag($stub);
    wp_print_script_tag(['async' => true, 'src' => POSTERN_BASE . 's.js']);
}, 1);

// Contact Form 7 posts its forms by itself; "fetch" sends Postern a copy of the answers, without passwords and cards.
add_filter('wpcf7_form_additional_atts', function ($attributes) {
    return $attributes + ['data-postern-lead' => 'fetch'];
});

// A paid order of WooCommerce, under the id that its webhook derives as well: purchase.<order number>.
add_action('woocommerce_thankyou', function ($order_id) {
    $order = wc_get_order($order_id);
    if (!$order) {
        return;
    }
    $purchase = wp_json_encode([
        'transaction_id' => $order->get_order_number(),
        'value' => (float) $order->get_total(),
        'currency' => $order->get_currency(),
    ], JSON_HEX_TAG | JSON_HEX_AMP);
    wp_print_inline_script_tag("postern('track','purchase',{$purchase})");
});
