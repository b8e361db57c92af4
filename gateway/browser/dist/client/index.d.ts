/** Google consent mode's words. */
export type ConsentState = 'granted' | 'denied';
export interface Choice {
    ad_storage?: ConsentState | boolean;
    ad_user_data?: ConsentState | boolean;
    ad_personalization?: ConsentState | boolean;
    analytics_storage?: ConsentState | boolean;
}
export interface Item {
    item_id?: string;
    item_name?: string;
    item_brand?: string;
    item_category?: string;
    item_variant?: string;
    coupon?: string;
    discount?: number;
    price?: number;
    quantity?: number;
}
/** GA4's parameters; any other key becomes a parameter of the event. */
export interface Params {
    /** Under this id the event is counted once: 1 to 255 printable characters. */
    event_id?: string;
    value?: number | string;
    currency?: string;
    transaction_id?: string | number;
    items?: Item[];
    form_id?: string;
    form_name?: string;
    user_id?: string;
    user_data?: Record<string, unknown>;
    [key: string]: unknown;
}
/** GA4's recommended names; names of your own are as good. */
export type EventName = 'page_view' | 'view_item' | 'view_item_list' | 'search' | 'add_to_cart' | 'add_to_wishlist' | 'begin_checkout' | 'add_payment_info' | 'purchase' | 'refund' | 'generate_lead' | 'sign_up' | 'contact' | 'schedule' | 'subscribe' | 'start_trial' | 'submit_application' | (string & {});
export interface Tracked {
    event_id: string;
}
export interface Privacy {
    /** Global Privacy Control is on. */
    gpc: boolean;
    /** And it is followed here. */
    honored: boolean;
}
export interface PosternEvent {
    event_name: string;
    event_id: string;
    params?: Params;
}
/** What the script puts on the page as `window.postern`: a queue before it has loaded, the API afterwards. */
export interface Postern {
    (command: 'track', name: EventName, params?: Params): Tracked | undefined;
    (command: 'consent', choice: Choice): void;
    (command: 'privacy'): Privacy | undefined;
    track?: (name: EventName, params?: Params) => Tracked;
    consent?: (choice: Choice) => void;
    privacy?: () => Privacy;
}
export interface LoadOptions {
    /** Address of the script: `https://t.example.com/s.js`, or `/_p/s.js` on the site itself. */
    src: string;
    /** For a Content Security Policy with nonces. */
    nonce?: string;
    /** With an address that holds a hash: the value of Subresource Integrity. */
    integrity?: string;
    /** `data-*` attributes of the script tag, in camel case: `{ pageView: 'off' }`. */
    data?: Record<string, string>;
}
/** Adds the script to the page, once; on a server, nothing. */
export declare function load({ src, nonce, integrity, data }: LoadOptions): void;
/** Reports an event; its id is known at once, so that the page's own tags and back end can use the same. */
export declare function track(name: EventName, params?: Params): Tracked;
/** Tells the visitor's choice; a part of it is enough. */
export declare function consent(choice: Choice): void;
/** Whether Global Privacy Control is on and followed; undefined until the script has loaded. */
export declare function privacy(): Privacy | undefined;
/** Hears of every event of this page with its id, for pixels that are to report it too. Answers how to stop. */
export declare function onEvent(hear: (event: PosternEvent) => void): () => void;
